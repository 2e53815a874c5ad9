// A small server with the responder, in Go: two goroutines for each connection, and one for each request.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"regexp"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxFrame   = 4 << 20
	maxWaiting = 16 << 20
	handshake  = 2 * time.Second
	drainTime  = 5 * time.Second
	linger     = 6 * time.Second
)

type object = map[string]json.RawMessage
type key struct{ app, name string }

var (
	lock        sync.Mutex // guards everything that connections share
	live        = map[key]*connection{}
	subscribers = map[key]map[*connection]bool{}
	notes       []json.RawMessage

	version = regexp.MustCompile(`^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$`)
	escapes = regexp.MustCompile(`\\(u[dD][89abAB]..\\u[dD][c-fC-F]..|u[dD][89a-fA-F]..|.)`)
	types   = map[string]bool{"request": true, "response": true, "notification": true, "subscribe": true,
		"unsubscribe": true, "publish": true}
	fatal = map[string]bool{"frame_too_large": true, "malformed_frame": true, "handshake_required": true,
		"handshake_timeout": true, "unsupported_protocol": true, "session_replaced": true}
)

// -- the responder: a handler that returns an error makes the server answer handler_failed ---------------------------

type handler func(*connection, json.RawMessage) (any, error)

var errPayload = errors.New("the payload is not as the table says")

var requests = map[string]handler{
	"conformance.echo": func(_ *connection, payload json.RawMessage) (any, error) { return payload, nil },
	"conformance.delay": func(_ *connection, payload json.RawMessage) (any, error) {
		members, _ := objectOf(payload)
		delay, ok := notNegative(members["delay_ms"])
		if !ok || members["value"] == nil {
			return nil, errPayload
		}
		time.Sleep(time.Duration(delay * float64(time.Millisecond)))
		return map[string]any{"value": members["value"]}, nil
	},
	"conformance.fail": func(_ *connection, payload json.RawMessage) (any, error) {
		members, _ := objectOf(payload)
		return nil, errors.New(string(members["detail"]))
	},
	"conformance.silent": func(c *connection, _ json.RawMessage) (any, error) {
		<-c.ended
		return nil, nil
	},
	"conformance.emit": emit,
	"conformance.seen": func(_ *connection, payload json.RawMessage) (any, error) {
		if _, ok := objectOf(payload); !ok {
			return nil, errPayload
		}
		lock.Lock()
		defer lock.Unlock()
		return map[string]any{"seen": append([]json.RawMessage{}, notes...)}, nil
	},
	"conformance.close": func(c *connection, _ json.RawMessage) (any, error) {
		lock.Lock()
		defer lock.Unlock()
		c.end()
		return nil, nil
	},
}

var notifications = map[string]func(json.RawMessage) error{
	"conformance.note": note,
	"conformance.fail_note": func(payload json.RawMessage) error {
		note(payload)
		return errors.New("the notification was to fail")
	},
}

func emit(c *connection, payload json.RawMessage) (any, error) {
	members, _ := objectOf(payload)
	channel, _ := textOf(members["channel"])
	kind, _ := textOf(members["message_type"])
	count, ok := notNegative(members["count"])
	if !ok || math.Mod(count, 1) != 0 || !isChannel(members["channel"]) || channel == "system" ||
		(kind != "publish" && kind != "notification") || members["payload"] == nil {
		return nil, errPayload
	}
	for number := 0; number < int(count); number++ {
		deliver(c.app, channel, message(c.app, channel, kind, members["payload"], nil))
	}
	return map[string]any{"emitted": int(count)}, nil
}

func note(payload json.RawMessage) error {
	lock.Lock()
	defer lock.Unlock()
	notes = append(notes, payload)
	if len(notes) > 1000 {
		notes = notes[1:]
	}
	return nil
}

func notNegative(value json.RawMessage) (float64, bool) {
	var number *float64
	ok := json.Unmarshal(value, &number) == nil && number != nil && *number >= 0
	if !ok {
		return 0, false
	}
	return *number, true
}

// -- messages --------------------------------------------------------------------------------------------------------

func objectOf(value json.RawMessage) (object, bool) {
	var members object
	ok := json.Unmarshal(value, &members) == nil && members != nil
	return members, ok
}

// hasHalfAPair returns true if an escape is half of a surrogate pair, which raw values would pass on.
func hasHalfAPair(body []byte) bool {
	for _, escape := range escapes.FindAll(body, -1) {
		if len(escape) == len(`\udead`) {
			return true
		}
	}
	return false
}

func textOf(value json.RawMessage) (string, bool) {
	var text *string
	if json.Unmarshal(value, &text) != nil || text == nil {
		return "", false
	}
	return *text, true
}

func isText(value json.RawMessage, longest int) bool {
	text, ok := textOf(value)
	return ok && text != "" && utf8.RuneCountInString(text) <= longest
}

func isChannel(value json.RawMessage) bool {
	text, _ := textOf(value)
	for _, character := range text {
		if character < ' ' {
			return false
		}
	}
	return isText(value, 255)
}

// isTextOrAbsent also returns true for an absent member.
func isTextOrAbsent(value json.RawMessage) bool {
	_, ok := textOf(value)
	return ok || value == nil
}

func message(app, channel, kind string, payload any, replyTo *string) []byte {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		panic(err)
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(map[string]any{
		"message_id": fmt.Sprintf("%x", id), "app_id": app, "channel_id": channel, "message_type": kind,
		"payload": payload, "timestamp": float64(time.Now().UnixNano()) / 1e9, "reply_to": replyTo,
	})
	if err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n"))
}

func isEnvelope(found object) bool {
	members := 6
	if replyTo, given := found["reply_to"]; given {
		members = 7
		if string(replyTo) != "null" && !isText(replyTo, 128) {
			return false
		}
	}
	kind, _ := textOf(found["message_type"])
	_, ok := notNegative(found["timestamp"])
	return ok && len(found) == members && found["payload"] != nil && types[kind] &&
		isText(found["message_id"], 128) && isText(found["app_id"], 255) && isChannel(found["channel_id"])
}

func isConnect(found object, payload object) bool {
	kind, _ := textOf(found["message_type"])
	channel, _ := textOf(found["channel_id"])
	action, _ := textOf(payload["action"])
	protocol, ok := textOf(payload["protocol"])
	client, isObject := objectOf(payload["client"])
	return isEnvelope(found) && kind == "request" && channel == "system" && action == "connect" &&
		isText(payload["connection_id"], 128) &&
		(payload["protocol"] == nil || (ok && version.MatchString(protocol))) &&
		isTextOrAbsent(payload["token"]) && (payload["client"] == nil || isObject) &&
		isTextOrAbsent(client["name"]) && isTextOrAbsent(client["version"])
}

func deliver(app, channel string, body []byte) {
	lock.Lock()
	defer lock.Unlock()
	for each := range subscribers[key{app, channel}] {
		each.send(body)
	}
}

// act returns the answer to a request on the channel system, or the code of an error.
func act(payload json.RawMessage) (any, string) {
	members, _ := objectOf(payload)
	action, ok := textOf(members["action"])
	switch {
	case !ok:
		return nil, "invalid_message"
	case action == "ping":
		return map[string]any{"status": "pong"}, ""
	case action == "get_time":
		now := time.Now().UTC()
		return map[string]any{"timestamp": float64(now.UnixNano()) / 1e9, "iso": now.Format(time.RFC3339Nano)}, ""
	case action == "connect":
		return nil, "already_connected"
	}
	return nil, "unknown_action"
}

// -- connections -----------------------------------------------------------------------------------------------------

type state int

const (
	fresh state = iota
	open
	draining // the client has ended its side
	closing
)

// connection is a client; the lock guards its state, what waits for it, and its subscriptions.
type connection struct {
	net.Conn
	app, name string
	state     state
	frames    [][]byte
	waiting   int
	change    *sync.Cond
	channels  map[string]bool
	running   sync.WaitGroup
	ended     chan struct{}
}

func serve(socket net.Conn) {
	c := &connection{Conn: socket, app: "system", change: sync.NewCond(&lock), channels: map[string]bool{},
		ended: make(chan struct{})}
	written := make(chan struct{})
	go func() {
		c.write()
		close(written)
	}()
	timer := time.AfterFunc(handshake, func() {
		lock.Lock()
		defer lock.Unlock()
		if c.state == fresh {
			c.refuse("handshake_timeout", nil)
		}
	})
	c.read()
	timer.Stop()
	lock.Lock()
	c.end()
	lock.Unlock()
	<-written
	c.Close()
}

func (c *connection) is(wanted ...state) bool {
	lock.Lock()
	defer lock.Unlock()
	for _, each := range wanted {
		if c.state == each {
			return true
		}
	}
	return false
}

func (c *connection) read() {
	for c.is(fresh, open) {
		var header [4]byte
		if _, err := io.ReadFull(c, header[:]); err != nil {
			break
		}
		length := binary.BigEndian.Uint32(header[:])
		if length > maxFrame {
			c.locked(func() { c.refuse("frame_too_large", nil) })
			break
		}
		var body bytes.Buffer
		if _, err := io.CopyN(&body, c, int64(length)); err != nil {
			break
		}
		found, code := c.receive(body.Bytes())
		if code != "" {
			c.locked(func() { c.refuse(code, found) })
		}
	}
	c.drain()
	io.Copy(io.Discard, c) // so that the client can read the error
}

func (c *connection) locked(work func()) {
	lock.Lock()
	defer lock.Unlock()
	work()
}

// receive processes a body; it returns the message, and the code of the error that it is answered with.
func (c *connection) receive(body []byte) (object, string) {
	found, ok := objectOf(body)
	if !ok || !utf8.Valid(body) || hasHalfAPair(body) {
		return nil, "malformed_frame"
	}
	if c.is(fresh) {
		return found, c.connect(found)
	}
	if !isEnvelope(found) {
		return found, "invalid_message"
	}
	return found, c.process(found, body)
}

func (c *connection) connect(found object) string {
	payload, _ := objectOf(found["payload"])
	if !isConnect(found, payload) {
		return "handshake_required"
	}
	if protocol, given := textOf(payload["protocol"]); given && protocol[:2] != "1." {
		return "unsupported_protocol"
	}
	lock.Lock()
	defer lock.Unlock()
	if c.state != fresh {
		return ""
	}
	app, _ := textOf(found["app_id"])
	name, _ := textOf(payload["connection_id"])
	if older := live[key{app, name}]; older != nil {
		older.refuse("session_replaced", nil)
	}
	c.app, c.name, c.state = app, name, open
	live[key{app, name}] = c
	c.send(message(app, "system", "response", map[string]any{
		"status": "connected", "connection_id": name, "protocol": "1.1", "profiles": []string{},
		"limits": map[string]any{"max_frame_bytes": maxFrame, "handshake_timeout_ms": handshake.Milliseconds()},
	}, nil))
	return ""
}

func (c *connection) process(found object, body []byte) string {
	kind, _ := textOf(found["message_type"])
	channel, _ := textOf(found["channel_id"])
	app, _ := textOf(found["app_id"])
	payload := found["payload"]
	isResponder := c.app == "conformance"
	switch {
	case kind == "response":
	case app != c.app:
		return "app_mismatch"
	case kind == "subscribe" || kind == "unsubscribe":
		return c.subscribe(channel, payload, kind == "subscribe")
	case kind == "publish" && channel == "system":
		return "reserved_channel"
	case kind == "publish":
		deliver(c.app, channel, body)
	case kind == "notification":
		if handle := notifications[channel]; handle != nil && isResponder {
			_ = handle(payload) // nobody is told that a notification failed
		}
	case channel == "system":
		answer, code := act(payload)
		if code != "" {
			return code
		}
		c.answer(found, answer)
	case isResponder && requests[channel] != nil:
		c.running.Add(1)
		go c.handle(requests[channel], found)
	default:
		return "no_handler"
	}
	return ""
}

func (c *connection) subscribe(channel string, payload json.RawMessage, begins bool) string {
	members, _ := objectOf(payload)
	if !isText(members["connection_id"], 128) {
		return "invalid_message"
	}
	if name, _ := textOf(members["connection_id"]); name != c.name {
		return "forbidden"
	}
	lock.Lock()
	defer lock.Unlock()
	place := key{c.app, channel}
	if !begins {
		c.unsubscribe(channel)
	} else if c.state == open {
		if subscribers[place] == nil {
			subscribers[place] = map[*connection]bool{}
		}
		subscribers[place][c] = true
		c.channels[channel] = true
	}
	return ""
}

func (c *connection) unsubscribe(channel string) {
	place := key{c.app, channel}
	delete(c.channels, channel)
	delete(subscribers[place], c)
	if len(subscribers[place]) == 0 {
		delete(subscribers, place)
	}
}

func (c *connection) handle(handle handler, found object) {
	defer c.running.Done()
	answer, err := handle(c, found["payload"])
	if err != nil {
		c.locked(func() { c.refuse("handler_failed", found) })
	} else {
		c.answer(found, answer)
	}
}

func (c *connection) answer(found object, payload any) {
	channel, _ := textOf(found["channel_id"])
	about, _ := textOf(found["message_id"])
	body := message(c.app, channel, "response", payload, &about)
	lock.Lock()
	defer lock.Unlock()
	if len(body) > maxFrame {
		c.refuse("handler_failed", found)
	} else {
		c.send(body)
	}
}

// refuse sends an error, and ends this side if it is fatal; the caller holds the lock, as for all functions below.
func (c *connection) refuse(code string, found object) {
	channel := "system"
	var about *string
	if text, _ := textOf(found["message_id"]); isText(found["message_id"], 128) {
		about = &text
		if isChannel(found["channel_id"]) {
			channel, _ = textOf(found["channel_id"])
		}
	}
	problem := map[string]any{"code": code, "message": "Refused: " + code + "."}
	payload := map[string]any{"status": "error", "error": problem}
	c.send(message(c.app, channel, "response", payload, about))
	if fatal[code] {
		c.end()
	}
}

func (c *connection) send(body []byte) {
	if c.state == closing {
		return
	}
	c.waiting += len(body)
	if c.waiting > maxWaiting {
		c.Close()
		return
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	c.frames = append(c.frames, append(frame, body...))
	c.change.Signal()
}

func (c *connection) end() {
	if c.state == closing {
		return
	}
	c.state = closing
	c.leave()
	if place := (key{c.app, c.name}); live[place] == c {
		delete(live, place)
	}
	close(c.ended)
	c.change.Signal()
	time.AfterFunc(linger, func() { c.Close() })
}

func (c *connection) leave() {
	for channel := range c.channels {
		c.unsubscribe(channel)
	}
}

// drain waits for answers that are owed, because the client has ended its side; the caller does not hold the lock.
func (c *connection) drain() {
	c.locked(func() {
		if c.state == open {
			c.state = draining
		}
		c.leave()
	})
	answered := make(chan struct{})
	go func() {
		c.running.Wait()
		close(answered)
	}()
	select {
	case <-answered:
	case <-c.ended:
	case <-time.After(drainTime):
	}
	c.locked(c.end)
}

// write writes what waits until this side ends.
func (c *connection) write() {
	for {
		lock.Lock()
		for len(c.frames) == 0 && c.state != closing {
			c.change.Wait()
		}
		frames := c.frames
		c.frames = nil
		lock.Unlock()
		if len(frames) == 0 {
			break
		}
		for _, frame := range frames {
			if _, err := c.Write(frame); err != nil {
				return
			}
			c.locked(func() { c.waiting -= len(frame) - 4 })
		}
	}
	c.Conn.(*net.TCPConn).CloseWrite()
}

func main() {
	port := flag.Int("port", 0, "port to listen on")
	flag.Parse()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	for {
		socket, err := listener.Accept()
		if err != nil {
			time.Sleep(10 * time.Millisecond) // no descriptor is free
			continue
		}
		go serve(socket)
	}
}
