//! A small server with the responder, in Rust: two threads for each connection, and one for each request.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Result as IoResult, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MAX_FRAME: usize = 4 << 20;
const MAX_WAITING: usize = 16 << 20;
const MAX_DEPTH: usize = 100;
const HANDSHAKE: Duration = Duration::from_secs(2);
const DRAIN: Duration = Duration::from_secs(5);
const LINGER: Duration = Duration::from_secs(6);
const FATAL: [&str; 6] = [
    "frame_too_large",
    "malformed_frame",
    "handshake_required",
    "handshake_timeout",
    "unsupported_protocol",
    "session_replaced",
];
const TYPES: [&str; 6] = ["request", "response", "notification", "subscribe", "unsubscribe", "publish"];
const MEMBERS: [&str; 6] = ["message_id", "app_id", "channel_id", "message_type", "payload", "timestamp"];

// -- the responder: a handler that returns None makes the server answer handler_failed --------------------------------

/// Handle a request; return the payload of its answer.
fn handle(server: &Server, id: usize, channel: &str, payload: &Json) -> Option<Json> {
    match channel {
        "conformance.echo" => Some(payload.clone()),
        "conformance.delay" => {
            let value = payload.get("value")?;
            thread::sleep(Duration::from_secs_f64(payload.get("delay_ms")?.not_negative()? / 1000.0));
            Some(object(&[("value", value.clone())]))
        }
        "conformance.fail" => {
            eprintln!("failed: {:?}", payload.get("detail"));
            None
        }
        "conformance.silent" => {
            let mut state = server.lock();
            while !state.connections[&id].is(&[Stage::Closing]) {
                state = server.change.wait(state).unwrap();
            }
            None
        }
        "conformance.emit" => emit(server, id, payload),
        "conformance.seen" => {
            let Json::Object(_) = payload else { return None };
            Some(object(&[("seen", Json::Array(server.lock().notes.iter().cloned().collect()))]))
        }
        "conformance.close" => {
            server.lock().end(server, id);
            None
        }
        _ => None,
    }
}

fn is_handled(channel: &str) -> bool {
    let name = channel.strip_prefix("conformance.").unwrap_or("");
    ["echo", "delay", "fail", "silent", "emit", "seen", "close"].contains(&name)
}

fn emit(server: &Server, id: usize, payload: &Json) -> Option<Json> {
    let count = payload.get("count")?.not_negative()?;
    let (channel, kind) = (payload.get("channel")?, payload.get("message_type")?.text()?);
    let content = payload.get("payload")?;
    if count % 1.0 != 0.0 || !is_channel(Some(channel)) || !["publish", "notification"].contains(&kind) {
        return None;
    }
    let channel = channel.text().filter(|name| *name != "system")?;
    for _ in 0..count as u64 {
        let mut state = server.lock();
        let app = state.connections[&id].app.clone();
        let body = message(&app, channel, kind, content, None);
        state.deliver(server, &app, channel, &body);
    }
    Some(object(&[("emitted", number(count))]))
}

/// Handle a notification; nobody is told whether that fails.
fn notice(server: &Server, channel: &str, payload: &Json) {
    if channel == "conformance.note" || channel == "conformance.fail_note" {
        let mut state = server.lock();
        state.notes.push_back(payload.clone());
        if state.notes.len() > 1000 {
            state.notes.pop_front();
        }
    }
}

// -- messages ---------------------------------------------------------------------------------------------------------

fn message(app: &str, channel: &str, kind: &str, payload: &Json, reply_to: Option<&str>) -> Vec<u8> {
    let random = || RandomState::new().build_hasher().finish();
    let members = [
        ("message_id", text(&format!("{:016x}{:016x}", random(), random()))),
        ("app_id", text(app)),
        ("channel_id", text(channel)),
        ("message_type", text(kind)),
        ("payload", payload.clone()),
        ("timestamp", number(now())),
        ("reply_to", reply_to.map_or(Json::Null, text)),
    ];
    let mut out = String::new();
    object(&members).write(&mut out);
    out.into_bytes()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn is_text(value: Option<&Json>, longest: usize) -> bool {
    let length = value.and_then(Json::text).map_or(0, |text| text.chars().count());
    (1..=longest).contains(&length)
}

fn is_channel(value: Option<&Json>) -> bool {
    is_text(value, 255) && value.and_then(Json::text).is_some_and(|text| text.chars().all(|each| each >= ' '))
}

fn is_envelope(found: &Json) -> bool {
    let Json::Object(members) = found else { return false };
    let kind = found.get("message_type").and_then(Json::text).unwrap_or("");
    MEMBERS.iter().all(|name| members.contains_key(*name))
        && members.keys().all(|name| MEMBERS.contains(&name.as_str()) || name == "reply_to")
        && is_text(found.get("message_id"), 128)
        && is_text(found.get("app_id"), 255)
        && is_channel(found.get("channel_id"))
        && TYPES.contains(&kind)
        && found.get("timestamp").and_then(Json::not_negative).is_some()
        && matches!(found.get("reply_to"), None | Some(Json::Null) | Some(Json::Text(_)))
        && (found.get("reply_to").and_then(Json::text).is_none() || is_text(found.get("reply_to"), 128))
}

fn is_connect(found: &Json) -> bool {
    let is = |name: &str, wanted: &str| found.get(name).and_then(Json::text) == Some(wanted);
    let Some(payload) = found.get("payload") else { return false };
    let client = payload.get("client");
    let texts = [payload.get("token"), client.and_then(|it| it.get("name")), client.and_then(|it| it.get("version"))];
    is_envelope(found)
        && is("message_type", "request")
        && is("channel_id", "system")
        && payload.get("action").and_then(Json::text) == Some("connect")
        && is_text(payload.get("connection_id"), 128)
        && payload.get("protocol").map_or(true, |version| version.text().is_some_and(is_version))
        && matches!(client, None | Some(Json::Object(_)))
        && texts.iter().all(|each| matches!(each, None | Some(Json::Text(_))))
}

fn is_version(text: &str) -> bool {
    let is_number = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|each| each.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    matches!(text.split_once('.'), Some((major, minor)) if is_number(major) && is_number(minor))
}

/// Return the answer to a request on the channel system, or the code of an error.
fn act(payload: &Json) -> Result<Json, &'static str> {
    match payload.get("action").and_then(Json::text) {
        None => Err("invalid_message"),
        Some("ping") => Ok(object(&[("status", text("pong"))])),
        Some("get_time") => {
            let seconds = now().floor();
            Ok(object(&[("timestamp", number(seconds)), ("iso", text(&iso(seconds as i64)))]))
        }
        Some("connect") => Err("already_connected"),
        Some(_) => Err("unknown_action"),
    }
}

/// Return a moment after 1970 in the form of RFC 3339.
fn iso(seconds: i64) -> String {
    let days = seconds / 86400 + 719_468; // since the first of March of the year 0
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // March is 0
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + month / 10, (month + 2) % 12 + 1);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

// -- connections ------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    New,
    Open,
    /// The client has ended its side.
    Draining,
    Closing,
}

struct Connection {
    socket: Arc<TcpStream>,
    frames: Sender<Option<Vec<u8>>>,
    app: String,
    name: String,
    stage: Stage,
    channels: HashSet<String>,
    waiting: usize,
    running: usize,
}

impl Connection {
    fn is(&self, stages: &[Stage]) -> bool {
        stages.contains(&self.stage)
    }
}

/// Everything that connections share.
#[derive(Default)]
struct State {
    connections: HashMap<usize, Connection>,
    live: HashMap<(String, String), usize>,
    subscribers: HashMap<(String, String), HashSet<usize>>,
    notes: VecDeque<Json>,
}

#[derive(Clone)]
struct Server {
    state: Arc<Mutex<State>>,
    change: Arc<Condvar>,
}

impl State {
    fn send(&mut self, id: usize, body: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id).filter(|it| it.stage != Stage::Closing) else { return };
        connection.waiting += body.len();
        if connection.waiting > MAX_WAITING {
            let _ = connection.socket.shutdown(Shutdown::Both);
        }
        let mut frame = (body.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        let _ = connection.frames.send(Some(frame));
    }

    /// Send an error, and end this side if it is fatal.
    fn refuse(&mut self, server: &Server, id: usize, code: &str, found: &Json) {
        let is_known = is_text(found.get("message_id"), 128);
        let about = found.get("message_id").and_then(Json::text).filter(|_| is_known);
        let channel = found.get("channel_id").filter(|it| is_known && is_channel(Some(it))).and_then(Json::text);
        let error = object(&[("code", text(code)), ("message", text(&format!("Refused: {code}.")))]);
        let payload = object(&[("status", text("error")), ("error", error)]);
        let app = self.connections[&id].app.clone();
        self.send(id, &message(&app, channel.unwrap_or("system"), "response", &payload, about));
        if FATAL.contains(&code) {
            self.end(server, id);
        }
    }

    fn deliver(&mut self, _: &Server, app: &str, channel: &str, body: &[u8]) {
        let present = self.subscribers.get(&(app.to_string(), channel.to_string()));
        for id in present.into_iter().flatten().copied().collect::<Vec<_>>() {
            self.send(id, body);
        }
    }

    fn subscribe(&mut self, id: usize, channel: &str, begins: bool) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let key = (connection.app.clone(), channel.to_string());
        if begins && connection.stage == Stage::Open {
            connection.channels.insert(channel.to_string());
            self.subscribers.entry(key).or_default().insert(id);
        } else if !begins && connection.channels.remove(channel) {
            let present = self.subscribers.entry(key.clone()).or_default();
            present.remove(&id);
            if present.is_empty() {
                self.subscribers.remove(&key);
            }
        }
    }

    fn leave(&mut self, id: usize) {
        for channel in self.connections[&id].channels.clone() {
            self.subscribe(id, &channel, false);
        }
    }

    fn end(&mut self, server: &Server, id: usize) {
        if self.connections[&id].stage == Stage::Closing {
            return;
        }
        self.leave(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.stage = Stage::Closing;
        let key = (connection.app.clone(), connection.name.clone());
        if self.live.get(&key) == Some(&id) {
            self.live.remove(&key);
        }
        let _ = connection.frames.send(None);
        let socket = Arc::downgrade(&connection.socket);
        thread::spawn(move || {
            thread::sleep(LINGER);
            socket.upgrade().map(|socket| socket.shutdown(Shutdown::Both))
        });
        server.change.notify_all();
    }
}

impl Server {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, id: usize, socket: TcpStream) {
        let socket = Arc::new(socket);
        let (frames, queue) = channel();
        let connection = Connection {
            socket: socket.clone(),
            frames,
            app: "system".to_string(),
            name: String::new(),
            stage: Stage::New,
            channels: HashSet::new(),
            waiting: 0,
            running: 0,
        };
        self.lock().connections.insert(id, connection);
        let (server, output) = (self.clone(), socket.clone());
        let writer = thread::spawn(move || server.write(id, &output, &queue));
        let server = self.clone();
        thread::spawn(move || {
            thread::sleep(HANDSHAKE);
            let mut state = server.lock();
            if state.connections.get(&id).is_some_and(|it| it.stage == Stage::New) {
                state.refuse(&server, id, "handshake_timeout", &Json::Null);
            }
        });
        if self.read(id, &socket).is_ok() {
            self.drain(id);
            let mut rest = [0; 65536];
            while matches!((&*socket).read(&mut rest), Ok(count) if count > 0) {} // so that the client reads the error
        }
        self.lock().end(self, id);
        let _ = writer.join();
        let mut state = self.lock();
        while state.connections[&id].running > 0 {
            state = self.change.wait(state).unwrap();
        }
        state.connections.remove(&id);
    }

    fn read(&self, id: usize, mut socket: &TcpStream) -> IoResult<()> {
        while self.lock().connections[&id].is(&[Stage::New, Stage::Open]) {
            let mut header = Vec::new();
            if socket.take(4).read_to_end(&mut header)? < 4 {
                break;
            }
            let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
            if length > MAX_FRAME {
                self.lock().refuse(self, id, "frame_too_large", &Json::Null);
                break;
            }
            let mut body = Vec::new();
            if Read::by_ref(&mut socket).take(length as u64).read_to_end(&mut body)? < length {
                break;
            }
            let found = decode(&body).unwrap_or(Json::Null);
            if let Err(code) = self.receive(id, &found, &body) {
                self.lock().refuse(self, id, code, &found);
            }
        }
        Ok(())
    }

    fn receive(&self, id: usize, found: &Json, body: &[u8]) -> Result<(), &'static str> {
        let is_new = self.lock().connections[&id].stage == Stage::New;
        match found {
            Json::Object(_) if is_new => self.connect(id, found),
            Json::Object(_) if is_envelope(found) => self.process(id, found, body),
            Json::Object(_) => Err("invalid_message"),
            _ => Err("malformed_frame"),
        }
    }

    fn connect(&self, id: usize, found: &Json) -> Result<(), &'static str> {
        if !is_connect(found) {
            return Err("handshake_required");
        }
        let payload = found.get("payload").unwrap_or(&Json::Null);
        if !payload.get("protocol").and_then(Json::text).unwrap_or("1.0").starts_with("1.") {
            return Err("unsupported_protocol");
        }
        let of = |value: Option<&Json>| value.and_then(Json::text).unwrap_or("").to_string();
        let key = (of(found.get("app_id")), of(payload.get("connection_id")));
        let mut state = self.lock();
        if state.connections[&id].stage != Stage::New {
            return Ok(());
        }
        if let Some(older) = state.live.get(&key).copied() {
            state.refuse(self, older, "session_replaced", &Json::Null);
        }
        if let Some(connection) = state.connections.get_mut(&id) {
            (connection.app, connection.name) = key.clone();
            connection.stage = Stage::Open;
        }
        let limits = [
            ("max_frame_bytes", number(MAX_FRAME as f64)),
            ("max_depth", number(MAX_DEPTH as f64)),
            ("handshake_timeout_ms", number(HANDSHAKE.as_millis() as f64)),
        ];
        let answer = object(&[
            ("status", text("connected")),
            ("connection_id", text(&key.1)),
            ("protocol", text("1.1")),
            ("profiles", Json::Array(Vec::new())),
            ("limits", object(&limits)),
        ]);
        let body = message(&key.0, "system", "response", &answer, None);
        state.live.insert(key, id);
        state.send(id, &body);
        Ok(())
    }

    fn process(&self, id: usize, found: &Json, body: &[u8]) -> Result<(), &'static str> {
        let of = |name: &str| found.get(name).and_then(Json::text).unwrap_or("");
        let (kind, channel) = (of("message_type"), of("channel_id"));
        let payload = found.get("payload").unwrap_or(&Json::Null);
        let app = self.lock().connections[&id].app.clone();
        let is_responder = app == "conformance";
        match kind {
            "response" => {}
            _ if of("app_id") != app => return Err("app_mismatch"),
            "subscribe" | "unsubscribe" => {
                if !is_text(payload.get("connection_id"), 128) {
                    return Err("invalid_message");
                }
                let mut state = self.lock();
                if payload.get("connection_id").and_then(Json::text) != Some(&state.connections[&id].name) {
                    return Err("forbidden");
                }
                state.subscribe(id, channel, kind == "subscribe");
            }
            "publish" if channel == "system" => return Err("reserved_channel"),
            "publish" => self.lock().deliver(self, &app, channel, body),
            "notification" if is_responder => notice(self, channel, payload),
            "notification" => {}
            _ if channel == "system" => self.answer(id, found, &act(payload)?),
            _ if is_responder && is_handled(channel) => self.start(id, found.clone()),
            _ => return Err("no_handler"),
        }
        Ok(())
    }

    /// Handle a request in a thread of its own.
    fn start(&self, id: usize, found: Json) {
        if let Some(connection) = self.lock().connections.get_mut(&id) {
            connection.running += 1;
        }
        let server = self.clone();
        thread::spawn(move || {
            let channel = found.get("channel_id").and_then(Json::text).unwrap_or("");
            match handle(&server, id, channel, found.get("payload").unwrap_or(&Json::Null)) {
                Some(payload) => server.answer(id, &found, &payload),
                None => server.lock().refuse(&server, id, "handler_failed", &found),
            }
            if let Some(connection) = server.lock().connections.get_mut(&id) {
                connection.running -= 1;
            }
            server.change.notify_all();
        });
    }

    fn answer(&self, id: usize, found: &Json, payload: &Json) {
        let of = |name: &str| found.get(name).and_then(Json::text).unwrap_or("");
        let body = message(of("app_id"), of("channel_id"), "response", payload, Some(of("message_id")));
        let mut state = self.lock();
        if body.len() > MAX_FRAME {
            state.refuse(self, id, "handler_failed", found);
        } else {
            state.send(id, &body);
        }
    }

    /// Wait for answers that are owed, because the client has ended its side.
    fn drain(&self, id: usize) {
        let mut state = self.lock();
        state.leave(id);
        if let Some(connection) = state.connections.get_mut(&id).filter(|it| it.stage == Stage::Open) {
            connection.stage = Stage::Draining;
        }
        let is_owing = |state: &mut State| state.connections[&id].running > 0 && state.connections[&id].is(&[Stage::Draining]);
        let (mut state, _) = self.change.wait_timeout_while(state, DRAIN, is_owing).unwrap();
        state.end(self, id);
    }

    fn write(&self, id: usize, mut socket: &TcpStream, queue: &Receiver<Option<Vec<u8>>>) -> IoResult<()> {
        while let Ok(Some(frame)) = queue.recv() {
            socket.write_all(&frame)?;
            if let Some(connection) = self.lock().connections.get_mut(&id) {
                connection.waiting -= frame.len() - 4;
            }
        }
        socket.shutdown(Shutdown::Write)
    }
}

fn main() -> IoResult<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let port = arguments.iter().skip_while(|each| *each != "--port").nth(1).expect("--port PORT");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    let server = Server { state: Arc::default(), change: Arc::default() };
    for (id, socket) in listener.incoming().enumerate() {
        let Ok(socket) = socket else { continue };
        socket.set_nodelay(true)?;
        let server = server.clone();
        thread::spawn(move || server.serve(id, socket));
    }
    Ok(())
}

// -- JSON, which Rust's standard library does not have ----------------------------------------------------------------

/// A value; a number keeps its text.
#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

fn object(members: &[(&str, Json)]) -> Json {
    Json::Object(members.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
}

fn text(value: &str) -> Json {
    Json::Text(value.to_string())
}

fn number(value: f64) -> Json {
    Json::Number(value.to_string())
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

    fn not_negative(&self) -> Option<f64> {
        match self {
            Json::Number(text) => text.parse().ok().filter(|value| *value >= 0.0),
            _ => None,
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(&value.to_string()),
            Json::Number(text) => out.push_str(text),
            Json::Text(text) => write_text(text, out),
            Json::Array(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    out.push_str(if position > 0 { "," } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (position, (name, value)) in members.iter().enumerate() {
                    out.push_str(if position > 0 { "," } else { "" });
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
    for each in text.chars() {
        match each {
            '"' | '\\' | '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", each as u32)),
            _ => out.push(each),
        }
    }
    out.push('"');
}

fn decode(body: &[u8]) -> Option<Json> {
    let mut reader = Reader { text: std::str::from_utf8(body).ok()?, at: 0 };
    let value = reader.value(1)?;
    reader.skip();
    (reader.at == reader.text.len()).then_some(value)
}

/// A reader of strict JSON; None is any reason to refuse the text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn takes(&mut self, wanted: &str) -> bool {
        self.skip();
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if self.takes("\"") {
            return self.string().map(Json::Text);
        }
        for (word, value) in [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)] {
            if self.takes(word) {
                return Some(value);
            }
        }
        match self.rest().bytes().next()? {
            b'{' | b'[' if depth > MAX_DEPTH => None,
            b'{' => self.members(depth),
            b'[' => self.items(depth),
            _ => self.number(),
        }
    }

    fn members(&mut self, depth: usize) -> Option<Json> {
        let mut members = BTreeMap::new();
        self.at += 1;
        if self.takes("}") {
            return Some(Json::Object(members));
        }
        loop {
            let name = self.takes("\"").then(|| self.string())??;
            self.takes(":").then_some(())?;
            if members.insert(name, self.value(depth + 1)?).is_some() {
                return None;
            }
            if !self.takes(",") {
                return self.takes("}").then_some(Json::Object(members));
            }
        }
    }

    fn items(&mut self, depth: usize) -> Option<Json> {
        let mut items = Vec::new();
        self.at += 1;
        if self.takes("]") {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.takes(",") {
                return self.takes("]").then_some(Json::Array(items));
            }
        }
    }

    fn number(&mut self) -> Option<Json> {
        let end = self.rest().find(|each: char| !"+-.0123456789eE".contains(each)).unwrap_or(self.rest().len());
        let found = self.rest()[..end].to_string();
        self.at += end;
        let digits = found.strip_prefix('-').unwrap_or(&found);
        let whole = digits.find(|each: char| !each.is_ascii_digit()).unwrap_or(digits.len());
        let fraction = digits[whole..].strip_prefix('.');
        let is_json = whole > 0
            && (whole == 1 || !digits.starts_with('0'))
            && fraction.map_or(true, |rest| rest.starts_with(|each: char| each.is_ascii_digit()))
            && found.parse::<f64>().is_ok_and(f64::is_finite); // which also checks the exponent
        is_json.then_some(Json::Number(found))
    }

    fn string(&mut self) -> Option<String> {
        let mut found = String::new();
        loop {
            let each = self.rest().chars().next()?;
            self.at += each.len_utf8();
            match each {
                '"' => return Some(found),
                '\\' => found.push(self.escaped()?),
                '\0'..='\x1f' => return None,
                _ => found.push(each),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let each = self.rest().chars().next()?;
        self.at += each.len_utf8();
        match each {
            '"' | '\\' | '/' => Some(each),
            'b' => Some('\x08'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' => {
                let first = self.unit()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first);
                }
                let second = self.rest().starts_with("\\u").then(|| self.at += 2).and_then(|()| self.unit())?;
                let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                char::from_u32(0x10000 + (first - 0xd800) * 0x400 + low)
            }
            _ => None,
        }
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.bytes().all(|each| each.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    }
}
