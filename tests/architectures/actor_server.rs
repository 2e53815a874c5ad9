//! A conforming server of actors: one thread owns all state, and threads that read and write feed it through a channel.
//!
//! Written from the specification alone, with the standard library only. It keeps every number as binary64 and writes it
//! with an exponent (100 is 1e2), writes every character outside of ASCII and every slash as an escape, and sorts the
//! members of objects. It leaves a reply_to out that is null. A message is processed some time after it was read.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MAX_FRAME: usize = 2 * 1024 * 1024;
const MAX_OUTBOUND: usize = 6 * 1024 * 1024;
const MAX_CONNECTIONS: usize = 300;
const MAX_DEPTH: usize = 64;
/// Octets of a connection, unprocessed or unsent, from which on nothing more is read from it (LIM-007).
const HIGH_WATER: usize = 1024 * 1024;
const HANDSHAKE: Duration = Duration::from_millis(1200);
const LINGER: Duration = Duration::from_millis(1300);
const SLOW: Duration = Duration::from_secs(7);
const DRAIN: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(2);
const METHODS: [&[u8; 4]; 10] = [
    b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ",
];
const TYPES: [&str; 6] = ["request", "response", "notification", "subscribe", "unsubscribe", "publish"];
const REQUIRED: [&str; 6] = ["message_id", "app_id", "channel_id", "message_type", "payload", "timestamp"];
const HINT_TEXT: &str = "IPC Framework Wire Protocol 1.0 is spoken here";

// -- JSON -------------------------------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.get(name),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Json::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(value) => out.push_str(&format!("{value:e}")),
            Json::Text(text) => write_text(text, out),
            Json::Array(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push_str(" ,");
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (position, (name, value)) in members.iter().enumerate() {
                    if position > 0 {
                        out.push_str(",\n");
                    }
                    write_text(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            ' '..='~' => out.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    out.push('"');
}

/// Write a message, without a reply_to that is null.
fn encode(message: &Json) -> Vec<u8> {
    let mut message = message.clone();
    if let Json::Object(members) = &mut message {
        if matches!(members.get("reply_to"), Some(Json::Null)) {
            members.remove("reply_to");
        }
    }
    let mut out = String::new();
    message.write(&mut out);
    out.into_bytes()
}

fn object(members: &[(&str, Json)]) -> Json {
    Json::Object(members.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
}

fn text(value: &str) -> Json {
    Json::Text(value.to_string())
}

/// A reader of strict JSON; None is any reason to refuse the text.
struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Option<Json> {
        let value = self.value(1)?;
        self.skip();
        (self.at == self.octets.len()).then_some(value)
    }

    fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    fn skip(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        self.skip();
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        self.octets[self.at..].starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            value
        })
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.skip();
        match self.peek()? {
            b'{' | b'[' if depth > MAX_DEPTH => None,
            b'{' => self.members(depth),
            b'[' => self.items(depth),
            b'"' => Some(Json::Text(self.string()?)),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn members(&mut self, depth: usize) -> Option<Json> {
        self.take(b'{')?;
        let mut members = BTreeMap::new();
        if self.take(b'}').is_some() {
            return Some(Json::Object(members));
        }
        loop {
            self.skip();
            let name = self.string()?;
            self.take(b':')?;
            if members.insert(name, self.value(depth + 1)?).is_some() {
                return None;
            }
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(Json::Object(members));
            }
        }
    }

    fn items(&mut self, depth: usize) -> Option<Json> {
        self.take(b'[')?;
        let mut items = Vec::new();
        if self.take(b']').is_some() {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b',').is_none() {
                self.take(b']')?;
                return Some(Json::Array(items));
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let value: f64 = std::str::from_utf8(&self.octets[start..self.at]).ok()?.parse().ok()?;
        value.is_finite().then_some(Json::Number(value))
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = std::str::from_utf8(self.octets.get(self.at..self.at + 4)?).ok()?;
        self.at += 4;
        digits.bytes().all(|each| each.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    }

    fn escape(&mut self, out: &mut String) -> Option<()> {
        let kind = self.peek()?;
        self.at += 1;
        out.push(match kind {
            b'"' | b'\\' | b'/' => kind as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                if (0xd800..0xdc00).contains(&first) {
                    self.word("\\u", Json::Null)?;
                    let pair = [first, self.unit()?];
                    char::decode_utf16(pair).next()?.ok()?
                } else {
                    char::from_u32(first.into())?
                }
            }
            _ => return None,
        });
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | 0..=0x1f) {
                self.at += 1;
            }
            out.push_str(std::str::from_utf8(&self.octets[start..self.at]).ok()?);
            let last = self.peek()?;
            self.at += 1;
            match last {
                b'"' => return Some(out),
                b'\\' => self.escape(&mut out)?,
                _ => return None,
            }
        }
    }
}

fn decode(body: &[u8]) -> Option<Json> {
    std::str::from_utf8(body).ok()?;
    let value = Reader { octets: body, at: 0 }.document()?;
    matches!(value, Json::Object(_)).then_some(value)
}

// -- rules ------------------------------------------------------------------------------------------------------------

fn is_text(value: Option<&Json>, longest: usize) -> bool {
    value.and_then(Json::text).is_some_and(|text| !text.is_empty() && text.chars().count() <= longest)
}

fn is_channel(value: Option<&Json>) -> bool {
    is_text(value, 255) && !value.and_then(Json::text).unwrap_or("").chars().any(|each| each < ' ')
}

fn is_envelope(message: &Json) -> bool {
    let Json::Object(members) = message else { return false };
    REQUIRED.iter().all(|name| members.contains_key(*name))
        && members.keys().all(|name| REQUIRED.contains(&name.as_str()) || name == "reply_to")
        && is_text(message.get("message_id"), 128)
        && is_text(message.get("app_id"), 255)
        && is_channel(message.get("channel_id"))
        && message.get("message_type").and_then(Json::text).is_some_and(|kind| TYPES.contains(&kind))
        && message.get("timestamp").and_then(Json::number).is_some_and(|stamp| stamp >= 0.0)
        && (matches!(message.get("reply_to"), None | Some(Json::Null)) || is_text(message.get("reply_to"), 128))
}

fn is_version_part(part: &str) -> bool {
    (1..=3).contains(&part.len()) && part.bytes().all(|each| each.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
}

fn is_optional_text(object: &Json, name: &str) -> bool {
    matches!(object.get(name), None | Some(Json::Text(_)))
}

fn is_connect(message: &Json) -> bool {
    let Some(payload) = message.get("payload") else { return false };
    let protocol = match payload.get("protocol") {
        None => true,
        Some(Json::Text(version)) => {
            let parts: Vec<&str> = version.split('.').collect();
            parts.len() == 2 && parts.into_iter().all(is_version_part)
        }
        _ => false,
    };
    let client = match payload.get("client") {
        None => true,
        Some(client @ Json::Object(_)) => is_optional_text(client, "name") && is_optional_text(client, "version"),
        _ => false,
    };
    is_envelope(message)
        && message.get("message_type").and_then(Json::text) == Some("request")
        && message.get("channel_id").and_then(Json::text) == Some("system")
        && payload.get("action").and_then(Json::text) == Some("connect")
        && is_text(payload.get("connection_id"), 128)
        && protocol
        && client
        && is_optional_text(payload, "token")
}

// -- the threads of a connection --------------------------------------------------------------------------------------

#[derive(Default)]
struct Pipe {
    frames: VecDeque<Vec<u8>>,
    unsent: usize,
    unprocessed: usize,
    greeted: bool,
    ending: bool,
    dead: bool,
    reader_done: bool,
    give_up: Option<Instant>,
}

/// What the owner of the state shares with the two threads of a connection.
struct Link {
    stream: TcpStream,
    pipe: Mutex<Pipe>,
    change: Condvar,
}

impl Link {
    fn pipe(&self) -> MutexGuard<'_, Pipe> {
        self.pipe.lock().unwrap()
    }

    fn push(&self, octets: Vec<u8>) {
        let mut pipe = self.pipe();
        pipe.unsent += octets.len();
        pipe.frames.push_back(octets);
        self.change.notify_all();
    }

    fn end(&self) {
        let mut pipe = self.pipe();
        pipe.ending = true;
        pipe.give_up = Some(Instant::now() + SLOW);
        self.change.notify_all();
    }
}

enum Event {
    Accepted(u64, Arc<Link>),
    Body(u64, Vec<u8>),
    Failed(u64, &'static str),
    Http(u64),
    PeerEnded(u64),
    Lost(u64),
    Closed(u64),
    Answer(u64, Json, Json),
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut octets = (body.len() as u32).to_be_bytes().to_vec();
    octets.extend_from_slice(body);
    octets
}

enum Input {
    Octets(Vec<u8>),
    End,
    Late,
}

fn read_exactly(link: &Link, count: usize, deadline: Option<Instant>) -> std::io::Result<Input> {
    let mut octets = Vec::new();
    let mut chunk = [0; 65536];
    while octets.len() < count {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if rest == Some(Duration::ZERO) {
            return Ok(Input::Late);
        }
        link.stream.set_read_timeout(rest)?;
        let wanted = chunk.len().min(count - octets.len());
        match (&link.stream).read(&mut chunk[..wanted]) {
            Ok(0) => return Ok(Input::End),
            Ok(read) => octets.extend_from_slice(&chunk[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Input::Octets(octets))
}

/// Return the event that ends reading.
fn read_frames(id: u64, link: &Link, events: &Sender<Event>, accepted: Instant) -> std::io::Result<Event> {
    let mut deadline = Some(accepted + HANDSHAKE);
    let mut first = true;
    loop {
        let header = match read_exactly(link, 4, deadline)? {
            Input::Octets(header) => header,
            Input::End => return Ok(Event::PeerEnded(id)),
            Input::Late => return Ok(Event::Failed(id, "handshake_timeout")),
        };
        if first && METHODS.iter().any(|method| method[..] == header[..]) {
            return Ok(Event::Http(id));
        }
        first = false;
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if length > MAX_FRAME {
            return Ok(Event::Failed(id, "frame_too_large"));
        }
        let body = match read_exactly(link, length, deadline)? {
            Input::Octets(body) => body,
            Input::End => return Ok(Event::PeerEnded(id)),
            Input::Late => return Ok(Event::Failed(id, "handshake_timeout")),
        };
        link.pipe().unprocessed += length + 1;
        let _ = events.send(Event::Body(id, body));
        let mut pipe = link.pipe();
        while !pipe.ending && !pipe.dead && (pipe.unsent + pipe.unprocessed > HIGH_WATER || (!pipe.greeted && pipe.unprocessed > 0)) {
            pipe = link.change.wait(pipe).unwrap();
        }
        if pipe.greeted {
            deadline = None;
        }
    }
}

fn read(id: u64, link: &Link, events: &Sender<Event>, accepted: Instant) {
    let last = read_frames(id, link, events, accepted).unwrap_or(Event::Lost(id));
    let ended = matches!(last, Event::PeerEnded(_) | Event::Lost(_));
    let _ = events.send(last);
    if !ended {
        let _ = link.stream.set_read_timeout(None);
        let mut chunk = [0; 65536];
        while matches!((&link.stream).read(&mut chunk), Ok(read) if read > 0) {}
    }
    link.pipe().reader_done = true;
    link.change.notify_all();
}

fn write_all(link: &Link, octets: &[u8]) -> std::io::Result<()> {
    let mut sent = 0;
    while sent < octets.len() {
        match (&link.stream).write(&octets[sent..]) {
            Ok(written) => {
                sent += written;
                link.pipe().unsent -= written;
                link.change.notify_all();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        let pipe = link.pipe();
        if pipe.dead || pipe.give_up.is_some_and(|moment| moment < Instant::now()) {
            return Err(ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

fn write_frames(link: &Link) -> std::io::Result<()> {
    link.stream.set_write_timeout(Some(Duration::from_millis(500)))?;
    loop {
        let mut pipe = link.pipe();
        while pipe.frames.is_empty() && !pipe.ending && !pipe.dead {
            pipe = link.change.wait(pipe).unwrap();
        }
        let Some(octets) = pipe.frames.pop_front() else { break };
        drop(pipe);
        write_all(link, &octets)?;
    }
    link.stream.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + LINGER;
    let mut pipe = link.pipe();
    while !pipe.reader_done && Instant::now() < deadline {
        pipe = link.change.wait_timeout(pipe, Duration::from_millis(50)).unwrap().0;
    }
    Ok(())
}

fn write(id: u64, link: &Link, events: &Sender<Event>) {
    if write_frames(link).is_err() {
        let _ = events.send(Event::Lost(id));
    }
    let _ = link.stream.shutdown(Shutdown::Both);
    let mut pipe = link.pipe();
    while !pipe.reader_done {
        pipe = link.change.wait(pipe).unwrap();
    }
    let _ = events.send(Event::Closed(id));
}

// -- the owner of the state -------------------------------------------------------------------------------------------

#[derive(Clone, Copy, PartialEq)]
enum State {
    AwaitingConnect,
    Open,
    Draining,
    Closing,
}

struct Connection {
    link: Arc<Link>,
    state: State,
    app: String,
    name: String,
    channels: HashSet<String>,
    owed: usize,
    sent: u64,
    drained: Option<Instant>,
}

struct Owner {
    events: Sender<Event>,
    connections: HashMap<u64, Connection>,
    live: HashMap<(String, String), u64>,
    subscribers: HashMap<(String, String), Vec<u64>>,
    notes: VecDeque<Json>,
}

type Answer = Result<(), &'static str>;

impl Owner {
    fn process(&mut self, event: Event) {
        match event {
            Event::Accepted(id, link) => self.accepted(id, link),
            Event::Body(id, body) => {
                self.body(id, &body);
                if let Some(connection) = self.connections.get(&id) {
                    let mut pipe = connection.link.pipe();
                    pipe.unprocessed -= body.len() + 1;
                    pipe.greeted = connection.state != State::AwaitingConnect;
                    connection.link.change.notify_all();
                }
            }
            Event::Failed(id, code) => self.fail(id, code, &Json::Null),
            Event::Http(id) => self.hint(id),
            Event::PeerEnded(id) => self.peer_ended(id),
            Event::Lost(id) => self.lost(id),
            Event::Closed(id) => {
                self.leave(id);
                self.connections.remove(&id);
            }
            Event::Answer(id, request, payload) => {
                self.respond(id, &request, payload);
                self.answered(id);
            }
        }
    }

    fn accepted(&mut self, id: u64, link: Arc<Link>) {
        let served = self.connections.values().filter(|each| each.state != State::Closing).count();
        let connection = Connection {
            link,
            state: State::AwaitingConnect,
            app: "system".to_string(),
            name: String::new(),
            channels: HashSet::new(),
            owed: 0,
            sent: 0,
            drained: None,
        };
        self.connections.insert(id, connection);
        if served >= MAX_CONNECTIONS {
            self.fail(id, "too_many_connections", &Json::Null);
        }
    }

    fn body(&mut self, id: u64, body: &[u8]) {
        let Some(state) = self.connections.get(&id).map(|connection| connection.state) else { return };
        if state == State::Closing {
            return;
        }
        let Some(message) = decode(body) else { return self.fail(id, "malformed_frame", &Json::Null) };
        if state == State::AwaitingConnect {
            let answer = self.shake_hands(id, &message);
            if let Err(code) = answer {
                self.fail(id, code, &message);
            }
        } else if let Err(code) = self.message(id, &message, body) {
            self.refuse(id, code, &message);
        }
    }

    fn shake_hands(&mut self, id: u64, message: &Json) -> Answer {
        if !is_connect(message) {
            return Err("handshake_required");
        }
        let payload = &message.get("payload").unwrap();
        let protocol = payload.get("protocol").and_then(Json::text).unwrap_or("1.0");
        if !protocol.starts_with("1.") {
            return Err("unsupported_protocol");
        }
        let app = message.get("app_id").and_then(Json::text).unwrap().to_string();
        let name = payload.get("connection_id").and_then(Json::text).unwrap().to_string();
        if let Some(older) = self.live.get(&(app.clone(), name.clone())).copied() {
            self.fail(older, "session_replaced", &Json::Null);
        }
        self.live.insert((app.clone(), name.clone()), id);
        let connection = self.connections.get_mut(&id).unwrap();
        connection.state = State::Open;
        connection.app = app;
        connection.name = name.clone();
        let limits = object(&[
            ("max_frame_bytes", Json::Number(MAX_FRAME as f64)),
            ("max_depth", Json::Number(MAX_DEPTH as f64)),
            ("max_outbound_bytes", Json::Number(MAX_OUTBOUND as f64)),
            ("max_connections", Json::Number(MAX_CONNECTIONS as f64)),
            ("handshake_timeout_ms", Json::Number(HANDSHAKE.as_millis() as f64)),
        ]);
        let payload = object(&[
            ("status", text("connected")),
            ("connection_id", text(&name)),
            ("protocol", text("1.0")),
            ("profiles", Json::Array(Vec::new())),
            ("limits", limits),
        ]);
        let body = self.originate(id, "response", "system", payload, Json::Null);
        self.send(id, &body);
        Ok(())
    }

    fn message(&mut self, id: u64, message: &Json, body: &[u8]) -> Answer {
        if !is_envelope(message) {
            return Err("invalid_message");
        }
        let kind = message.get("message_type").and_then(Json::text).unwrap();
        let channel = message.get("channel_id").and_then(Json::text).unwrap();
        let payload = message.get("payload").unwrap();
        let connection = &self.connections[&id];
        if kind == "response" {
            return Ok(());
        }
        if message.get("app_id").and_then(Json::text) != Some(&connection.app) {
            return Err("app_mismatch");
        }
        let app = connection.app.clone();
        match kind {
            "subscribe" | "unsubscribe" => {
                let name = payload.get("connection_id");
                if !is_text(name, 128) {
                    return Err("invalid_message");
                }
                if name.and_then(Json::text) != Some(&connection.name) {
                    return Err("forbidden");
                }
                if kind == "subscribe" {
                    self.subscribe(id, channel);
                } else {
                    self.unsubscribe(id, channel);
                }
            }
            "publish" if channel == "system" => return Err("reserved_channel"),
            "publish" => {
                let again = encode(message);
                let again = if again.len() > MAX_FRAME { body } else { &again };
                for subscriber in self.subscribers.get(&(app, channel.to_string())).cloned().unwrap_or_default() {
                    self.send(subscriber, again);
                }
            }
            "notification" => {
                if app == "conformance" && channel == "conformance.note" {
                    self.notes.push_back(payload.clone());
                    if self.notes.len() > 1000 {
                        self.notes.pop_front();
                    }
                }
            }
            _ if channel == "system" => return self.system(id, message, payload),
            _ if app == "conformance" => return self.handle(id, message, channel, payload),
            _ => return Err("no_handler"),
        }
        Ok(())
    }

    fn system(&mut self, id: u64, message: &Json, payload: &Json) -> Answer {
        match payload.get("action").and_then(Json::text) {
            None => return Err("invalid_message"),
            Some("connect") => return Err("already_connected"),
            Some("ping") => self.respond(id, message, object(&[("status", text("pong"))])),
            Some("get_time") => {
                let now = now();
                self.respond(id, message, object(&[("timestamp", Json::Number(now)), ("iso", text(&iso(now)))]));
            }
            Some(_) => return Err("unknown_action"),
        }
        Ok(())
    }

    fn handle(&mut self, id: u64, message: &Json, channel: &str, payload: &Json) -> Answer {
        match channel {
            "conformance.echo" => self.respond(id, message, payload.clone()),
            "conformance.fail" => return Err("handler_failed"),
            "conformance.silent" => self.connections.get_mut(&id).unwrap().owed += 1,
            "conformance.close" => self.end(id),
            "conformance.seen" => {
                let seen = Json::Array(self.notes.iter().cloned().collect());
                self.respond(id, message, object(&[("seen", seen)]));
            }
            "conformance.delay" => {
                let delay = payload.get("delay_ms").and_then(Json::number).filter(|delay| *delay >= 0.0);
                let (Some(delay), Some(value)) = (delay, payload.get("value")) else { return Err("handler_failed") };
                let result = object(&[("value", value.clone())]);
                let (events, request) = (self.events.clone(), message.clone());
                self.connections.get_mut(&id).unwrap().owed += 1;
                thread::spawn(move || {
                    thread::sleep(Duration::from_secs_f64(delay / 1000.0));
                    let _ = events.send(Event::Answer(id, request, result));
                });
            }
            "conformance.emit" => return self.emit(id, message, payload),
            _ => return Err("no_handler"),
        }
        Ok(())
    }

    fn emit(&mut self, id: u64, message: &Json, payload: &Json) -> Answer {
        let kind = payload.get("message_type").and_then(Json::text).unwrap_or("");
        let count = payload.get("count").and_then(Json::number).unwrap_or(-1.0);
        let channel = payload.get("channel").and_then(Json::text).unwrap_or("system");
        let valid = is_channel(payload.get("channel")) && channel != "system" && ["publish", "notification"].contains(&kind);
        let Some(content) = payload.get("payload").filter(|_| valid && count >= 0.0 && count.fract() == 0.0) else {
            return Err("handler_failed");
        };
        let app = self.connections[&id].app.clone();
        for _ in 0..count as u64 {
            for subscriber in self.subscribers.get(&(app.clone(), channel.to_string())).cloned().unwrap_or_default() {
                let body = self.originate(subscriber, kind, channel, content.clone(), Json::Null);
                self.send(subscriber, &body);
            }
        }
        self.respond(id, message, object(&[("emitted", Json::Number(count))]));
        Ok(())
    }

    // -- subscriptions and lives

    fn subscribe(&mut self, id: u64, channel: &str) {
        let connection = self.connections.get_mut(&id).unwrap();
        if connection.state == State::Open && connection.channels.insert(channel.to_string()) {
            self.subscribers.entry((connection.app.clone(), channel.to_string())).or_default().push(id);
        }
    }

    fn unsubscribe(&mut self, id: u64, channel: &str) {
        let connection = self.connections.get_mut(&id).unwrap();
        if connection.channels.remove(channel) {
            let key = (connection.app.clone(), channel.to_string());
            let subscribers = self.subscribers.get_mut(&key).unwrap();
            subscribers.retain(|each| *each != id);
            if subscribers.is_empty() {
                self.subscribers.remove(&key);
            }
        }
    }

    fn unsubscribe_all(&mut self, id: u64) {
        let channels: Vec<String> = self.connections[&id].channels.iter().cloned().collect();
        for channel in channels {
            self.unsubscribe(id, &channel);
        }
    }

    fn leave(&mut self, id: u64) {
        if !self.connections.contains_key(&id) {
            return;
        }
        self.unsubscribe_all(id);
        let connection = self.connections.get_mut(&id).unwrap();
        let key = (connection.app.clone(), connection.name.clone());
        if self.live.get(&key) == Some(&id) {
            self.live.remove(&key);
        }
    }

    fn peer_ended(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.state == State::Open {
            connection.state = State::Draining;
            connection.drained = Some(Instant::now() + DRAIN);
            self.unsubscribe_all(id);
        }
        let connection = &self.connections[&id];
        if connection.state != State::Draining || connection.owed == 0 {
            self.end(id);
        }
    }

    fn answered(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.owed -= 1;
        if connection.state == State::Draining && connection.owed == 0 {
            self.end(id);
        }
    }

    fn lost(&mut self, id: u64) {
        self.leave(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.state = State::Closing;
        let mut pipe = connection.link.pipe();
        pipe.dead = true;
        pipe.frames.clear();
        connection.link.change.notify_all();
    }

    fn end(&mut self, id: u64) {
        self.leave(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.state != State::Closing {
            connection.state = State::Closing;
            connection.link.end();
        }
    }

    fn fail(&mut self, id: u64, code: &str, about: &Json) {
        let Some(connection) = self.connections.get(&id) else { return };
        if connection.state == State::Closing {
            return;
        }
        let body = self.error(id, code, about);
        self.connections[&id].link.push(frame(&body));
        self.end(id);
    }

    fn hint(&mut self, id: u64) {
        let Some(connection) = self.connections.get(&id) else { return };
        let length = HINT_TEXT.len();
        let head = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: IPC-Framework/1.0\r\nConnection: close, upgrade";
        connection.link.push(format!("{head}\r\nContent-Length: {length}\r\n\r\n{HINT_TEXT}").into_bytes());
        self.end(id);
    }

    // -- sending

    fn originate(&mut self, id: u64, kind: &str, channel: &str, payload: Json, reply_to: Json) -> Vec<u8> {
        let connection = self.connections.get_mut(&id).unwrap();
        let name = loop {
            connection.sent += 1;
            let name = format!("actor:{}", connection.sent);
            if reply_to.text() != Some(&name) {
                break name;
            }
        };
        encode(&object(&[
            ("message_id", text(&name)),
            ("app_id", text(&connection.app)),
            ("channel_id", text(channel)),
            ("message_type", text(kind)),
            ("payload", payload),
            ("timestamp", Json::Number(now())),
            ("reply_to", reply_to),
        ]))
    }

    fn error(&mut self, id: u64, code: &str, about: &Json) -> Vec<u8> {
        let name = about.get("message_id").filter(|_| is_text(about.get("message_id"), 128));
        let channel = about.get("channel_id").filter(|_| name.is_some() && is_channel(about.get("channel_id")));
        let error = object(&[("code", text(code)), ("message", text("No. / Nein. / いいえ。"))]);
        let payload = object(&[("status", text("error")), ("error", error)]);
        let channel = channel.and_then(Json::text).unwrap_or("system");
        self.originate(id, "response", channel, payload, name.cloned().unwrap_or(Json::Null))
    }

    fn respond(&mut self, id: u64, request: &Json, payload: Json) {
        if !self.connections.contains_key(&id) {
            return;
        }
        let channel = request.get("channel_id").and_then(Json::text).unwrap();
        let body = self.originate(id, "response", channel, payload, request.get("message_id").unwrap().clone());
        if body.len() > MAX_FRAME {
            self.refuse(id, "handler_failed", request);
        } else {
            self.send(id, &body);
        }
    }

    fn refuse(&mut self, id: u64, code: &str, about: &Json) {
        let body = self.error(id, code, about);
        self.send(id, &body);
    }

    fn send(&mut self, id: u64, body: &[u8]) {
        let Some(connection) = self.connections.get(&id) else { return };
        if !matches!(connection.state, State::Open | State::Draining) {
            return;
        }
        if connection.link.pipe().unsent + body.len() + 4 > MAX_OUTBOUND {
            self.fail(id, "slow_consumer", &Json::Null);
        } else {
            connection.link.push(frame(body));
        }
    }

    // -- time

    fn look(&mut self) {
        let now = Instant::now();
        let late = |each: &Connection| each.state == State::Draining && each.drained.is_some_and(|moment| moment < now);
        let over: Vec<u64> = self.connections.iter().filter(|(_, each)| late(each)).map(|(id, _)| *id).collect();
        for id in over {
            self.end(id);
        }
    }

    fn run(&mut self, inbox: &Receiver<Event>) {
        let mut until: Option<Instant> = None;
        let mut told = false;
        loop {
            match inbox.recv_timeout(Duration::from_millis(20)) {
                Ok(event) => self.process(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look();
            if !TERMINATED.load(Ordering::Relaxed) {
                continue;
            }
            let deadline = *until.get_or_insert_with(|| Instant::now() + GRACE);
            let busy = self.connections.values().any(|each| each.owed > 0);
            if !told && (!busy || Instant::now() > deadline) {
                told = true;
                self.say_goodbye();
            }
            if told && (self.connections.is_empty() || Instant::now() > deadline + LINGER + LINGER) {
                return;
            }
        }
    }

    fn say_goodbye(&mut self) {
        for id in self.connections.keys().copied().collect::<Vec<u64>>() {
            if self.connections[&id].state == State::AwaitingConnect {
                self.end(id);
            } else {
                self.fail(id, "shutting_down", &Json::Null);
            }
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Write a moment as RFC 3339, rounded down to whole seconds.
fn iso(moment: f64) -> String {
    let seconds = moment as i64;
    let (days, rest) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}+00:00", rest / 3600, rest / 60 % 60, rest % 60)
}

// -- the program ------------------------------------------------------------------------------------------------------

static TERMINATED: AtomicBool = AtomicBool::new(false);

extern "C" fn terminate(_signal: i32) {
    TERMINATED.store(true, Ordering::Relaxed);
}

extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
}

fn accept(listener: TcpListener, events: Sender<Event>) {
    listener.set_nonblocking(true).unwrap();
    let mut id = 0;
    while !TERMINATED.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(2));
            continue;
        };
        let accepted = Instant::now();
        id += 1;
        if stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true)).is_err() {
            continue;
        }
        let link = Arc::new(Link { stream, pipe: Mutex::default(), change: Condvar::new() });
        let _ = events.send(Event::Accepted(id, link.clone()));
        let (reader_link, reader_events, writer_events) = (link.clone(), events.clone(), events.clone());
        thread::spawn(move || read(id, &reader_link, &reader_events, accepted));
        thread::spawn(move || write(id, &link, &writer_events));
    }
}

fn main() {
    let port: u16 = std::env::args().skip_while(|each| each != "--port").nth(1).unwrap().parse().unwrap();
    unsafe { signal(15, terminate) };
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (events, inbox) = channel();
    let accepting = events.clone();
    thread::spawn(move || accept(listener, accepting));
    let mut owner = Owner {
        events,
        connections: HashMap::new(),
        live: HashMap::new(),
        subscribers: HashMap::new(),
        notes: VecDeque::new(),
    };
    owner.run(&inbox);
}
