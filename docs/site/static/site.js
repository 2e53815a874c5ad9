'use strict';

// What scrolls sideways must be reachable with the keyboard.
for (const each of document.querySelectorAll('pre, .table-wrapper, .drawing')) {
  if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
}

// The theme does not say what its two side columns are.
for (const [name, label] of [['.sidebar-drawer', 'Site'], ['.toc-drawer', 'On this page']]) {
  document.querySelector(name)?.setAttribute('aria-label', label);
}
