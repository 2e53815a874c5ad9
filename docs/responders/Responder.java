import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** A small server with the responder, in Java 11: two threads for each connection, and one for each request. */
public class Responder {
    static final int MAX_FRAME = 4 << 20;
    static final int MAX_WAITING = 16 << 20;
    static final int MAX_DEPTH = 100;
    static final int HANDSHAKE_MS = 2000;
    static final int DRAIN_MS = 5000;
    static final int LINGER_MS = 6000;
    static final Set<String> FATAL = Set.of("frame_too_large", "malformed_frame", "handshake_required",
            "handshake_timeout", "unsupported_protocol", "session_replaced");
    static final Set<String> TYPES =
            Set.of("request", "response", "notification", "subscribe", "unsubscribe", "publish");
    static final Set<String> MEMBERS =
            Set.of("message_id", "app_id", "channel_id", "message_type", "payload", "timestamp");

    /** Guards everything that connections share, and the state of each. */
    static final Object lock = new Object();
    static final Map<List<String>, Connection> live = new HashMap<>();
    static final Map<List<String>, Set<Connection>> subscribers = new HashMap<>();
    static final Deque<Object> notes = new ArrayDeque<>();
    static final ScheduledExecutorService timers = Executors.newSingleThreadScheduledExecutor();

    // -- the responder: a handler that throws makes the server answer handler_failed ---------------------------------

    interface Handler {
        Object handle(Connection connection, Object payload) throws Exception;
    }

    static final Map<String, Handler> REQUESTS = Map.of(
            "conformance.echo", (connection, payload) -> payload,
            "conformance.delay", Responder::delay,
            "conformance.fail", (connection, payload) -> {
                throw new IllegalStateException(String.valueOf(object(payload).get("detail")));
            },
            "conformance.silent", (connection, payload) -> {
                connection.ended.await();
                return null;
            },
            "conformance.emit", Responder::emit,
            "conformance.seen", (connection, payload) -> {
                must(payload instanceof Map);
                synchronized (lock) {
                    return Map.of("seen", new ArrayList<>(notes));
                }
            },
            "conformance.close", (connection, payload) -> {
                connection.end();
                return null;
            });

    static final Map<String, Handler> NOTIFICATIONS = Map.of(
            "conformance.note", Responder::note,
            "conformance.fail_note", (connection, payload) -> {
                note(connection, payload);
                throw new IllegalStateException("the notification was to fail");
            });

    static Object delay(Connection connection, Object payload) throws InterruptedException {
        BigDecimal delay = notNegative(object(payload).get("delay_ms"));
        must(object(payload).containsKey("value"));
        Thread.sleep(delay.longValue());
        Map<String, Object> answer = new HashMap<>();
        answer.put("value", object(payload).get("value"));
        return answer;
    }

    static Object emit(Connection connection, Object payload) {
        Map<String, Object> wanted = object(payload);
        int count = notNegative(wanted.get("count")).intValueExact();
        Object channel = wanted.get("channel");
        must(isChannel(channel) && !channel.equals("system") && wanted.containsKey("payload"));
        must(Set.of("publish", "notification").contains(String.valueOf(wanted.get("message_type"))));
        for (int number = 0; number < count; number++) {
            deliver(connection.app, (String) channel, message(connection.app, (String) channel,
                    (String) wanted.get("message_type"), wanted.get("payload"), null));
        }
        return Map.of("emitted", count);
    }

    static Object note(Connection connection, Object payload) {
        synchronized (lock) {
            notes.add(payload == null ? Json.NULL : payload);
            if (notes.size() > 1000) {
                notes.remove();
            }
        }
        return null;
    }

    static void must(boolean condition) {
        if (!condition) {
            throw new IllegalArgumentException("the payload is not as the table says");
        }
    }

    static BigDecimal notNegative(Object value) {
        must(value instanceof BigDecimal && ((BigDecimal) value).signum() >= 0);
        return (BigDecimal) value;
    }

    // -- messages ----------------------------------------------------------------------------------------------------

    /** A message breaks a rule; the message of the exception is the code of the error. */
    static class Refusal extends Exception {
        Refusal(String code) {
            super(code);
        }
    }

    /** Return the members of an object, or none for another value. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) {
        return value instanceof Map ? (Map<String, Object>) value : Map.of();
    }

    static Map<String, Object> decode(byte[] body) throws Refusal {
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body)).toString();
            Object found = new Json(text).document();
            if (found instanceof Map) {
                return object(found);
            }
        } catch (CharacterCodingException | RuntimeException problem) {
            // refused below
        }
        throw new Refusal("malformed_frame");
    }

    static byte[] message(String app, String channel, String kind, Object payload, Object replyTo) {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("message_id", UUID.randomUUID().toString());
        members.put("app_id", app);
        members.put("channel_id", channel);
        members.put("message_type", kind);
        members.put("payload", payload);
        members.put("timestamp", BigDecimal.valueOf(System.currentTimeMillis(), 3));
        members.put("reply_to", replyTo);
        return Json.write(members).getBytes(StandardCharsets.UTF_8);
    }

    static boolean isText(Object value, int longest) {
        String text = value instanceof String ? (String) value : "";
        return !text.isEmpty() && text.codePointCount(0, text.length()) <= longest;
    }

    static boolean isChannel(Object value) {
        return isText(value, 255) && ((String) value).chars().allMatch(character -> character >= ' ');
    }

    static boolean isEnvelope(Map<String, Object> found) {
        Set<String> names = new HashSet<>(found.keySet());
        names.remove("reply_to");
        Object stamp = found.get("timestamp");
        Object replyTo = found.get("reply_to");
        return names.equals(MEMBERS) && isText(found.get("message_id"), 128) && isText(found.get("app_id"), 255)
                && isChannel(found.get("channel_id")) && found.get("message_type") instanceof String
                && TYPES.contains(found.get("message_type"))
                && stamp instanceof BigDecimal && ((BigDecimal) stamp).signum() >= 0
                && (replyTo == null || isText(replyTo, 128));
    }

    static boolean isConnect(Map<String, Object> found) {
        Map<String, Object> payload = object(found.get("payload"));
        Object client = payload.getOrDefault("client", Map.of());
        return isEnvelope(found) && found.get("message_type").equals("request")
                && found.get("channel_id").equals("system") && "connect".equals(payload.get("action"))
                && isText(payload.get("connection_id"), 128)
                && String.valueOf(payload.getOrDefault("protocol", "1.0"))
                        .matches("(0|[1-9][0-9]{0,2})\\.(0|[1-9][0-9]{0,2})")
                && payload.getOrDefault("protocol", "1.0") instanceof String
                && payload.getOrDefault("token", "") instanceof String && client instanceof Map
                && object(client).getOrDefault("name", "") instanceof String
                && object(client).getOrDefault("version", "") instanceof String;
    }

    static void deliver(String app, String channel, byte[] body) {
        synchronized (lock) {
            for (Connection each : List.copyOf(subscribers.getOrDefault(List.of(app, channel), Set.of()))) {
                each.send(body);
            }
        }
    }

    /** Return the answer to a request on the channel system. */
    static Object act(Object payload) throws Refusal {
        if (!(object(payload).get("action") instanceof String)) {
            throw new Refusal("invalid_message");
        }
        switch ((String) object(payload).get("action")) {
            case "ping":
                return Map.of("status", "pong");
            case "get_time":
                long now = System.currentTimeMillis();
                return Map.of("timestamp", BigDecimal.valueOf(now, 3), "iso", Instant.ofEpochMilli(now).toString());
            case "connect":
                throw new Refusal("already_connected");
            default:
                throw new Refusal("unknown_action");
        }
    }

    // -- connections -------------------------------------------------------------------------------------------------

    enum State { NEW, OPEN, DRAINING, CLOSING }

    /** A client; it drains if the client ends its side first. */
    static class Connection {
        final Socket socket;
        final Deque<byte[]> frames = new ArrayDeque<>();
        final Set<String> channels = new HashSet<>();
        final CountDownLatch ended = new CountDownLatch(1);
        volatile String app = "system";
        String name = "";
        State state = State.NEW;
        int waiting;
        int running;

        Connection(Socket socket) {
            this.socket = socket;
        }

        void serve() {
            Thread writer = new Thread(this::write);
            writer.start();
            timers.schedule(this::giveUp, HANDSHAKE_MS, TimeUnit.MILLISECONDS);
            try {
                DataInputStream input = new DataInputStream(socket.getInputStream());
                read(input);
                drain();
                while (input.read(new byte[65536]) >= 0) {
                    // so that the client can read the error
                }
            } catch (IOException | InterruptedException lost) {
                // ends below
            }
            end();
            try {
                writer.join();
            } catch (InterruptedException never) {
                Thread.currentThread().interrupt();
            }
            close();
        }

        boolean is(State... wanted) {
            synchronized (lock) {
                return List.of(wanted).contains(state);
            }
        }

        void read(DataInputStream input) throws IOException {
            try {
                while (is(State.NEW, State.OPEN)) {
                    long length = Integer.toUnsignedLong(input.readInt());
                    if (length > MAX_FRAME) {
                        refuse("frame_too_large", Map.of());
                        return;
                    }
                    byte[] body = input.readNBytes((int) length);
                    if (body.length < length) {
                        return;
                    }
                    receive(body);
                }
            } catch (EOFException end) {
                // the client has ended its side
            }
        }

        void receive(byte[] body) {
            Map<String, Object> found = Map.of();
            try {
                found = decode(body);
                if (is(State.NEW)) {
                    connect(found);
                } else if (isEnvelope(found)) {
                    process(found, body);
                } else {
                    throw new Refusal("invalid_message");
                }
            } catch (Refusal refusal) {
                refuse(refusal.getMessage(), found);
            }
        }

        void connect(Map<String, Object> found) throws Refusal {
            if (!isConnect(found)) {
                throw new Refusal("handshake_required");
            }
            Map<String, Object> payload = object(found.get("payload"));
            if (!String.valueOf(payload.getOrDefault("protocol", "1.0")).startsWith("1.")) {
                throw new Refusal("unsupported_protocol");
            }
            synchronized (lock) {
                if (state != State.NEW) {
                    return;
                }
                List<String> key = List.of((String) found.get("app_id"), (String) payload.get("connection_id"));
                if (live.containsKey(key)) {
                    live.get(key).refuse("session_replaced", Map.of());
                }
                app = key.get(0);
                name = key.get(1);
                state = State.OPEN;
                live.put(key, this);
                send(message(app, "system", "response", Map.of("status", "connected", "connection_id", name,
                        "protocol", "1.1", "profiles", List.of(), "limits", Map.of("max_frame_bytes", MAX_FRAME,
                        "max_depth", MAX_DEPTH, "handshake_timeout_ms", HANDSHAKE_MS)), null));
            }
        }

        void process(Map<String, Object> found, byte[] body) throws Refusal {
            String channel = (String) found.get("channel_id");
            Object payload = found.get("payload");
            boolean isResponder = app.equals("conformance");
            if (found.get("message_type").equals("response")) {
                return;
            }
            if (!found.get("app_id").equals(app)) {
                throw new Refusal("app_mismatch");
            }
            switch ((String) found.get("message_type")) {
                case "subscribe":
                case "unsubscribe":
                    subscribe(channel, payload, found.get("message_type").equals("subscribe"));
                    break;
                case "publish":
                    if (channel.equals("system")) {
                        throw new Refusal("reserved_channel");
                    }
                    deliver(app, channel, body);
                    break;
                case "notification":
                    if (isResponder && NOTIFICATIONS.containsKey(channel)) {
                        try {
                            NOTIFICATIONS.get(channel).handle(this, payload);
                        } catch (Exception failure) {
                            // nobody is told that a notification failed
                        }
                    }
                    break;
                default:
                    request(found, channel, isResponder ? REQUESTS.get(channel) : null);
            }
        }

        void request(Map<String, Object> found, String channel, Handler handler) throws Refusal {
            if (channel.equals("system")) {
                answer(found, act(found.get("payload")));
            } else if (handler != null) {
                synchronized (lock) {
                    running++;
                }
                new Thread(() -> handle(handler, found)).start();
            } else {
                throw new Refusal("no_handler");
            }
        }

        void subscribe(String channel, Object payload, boolean begins) throws Refusal {
            Object id = object(payload).get("connection_id");
            if (!isText(id, 128)) {
                throw new Refusal("invalid_message");
            }
            if (!id.equals(name)) {
                throw new Refusal("forbidden");
            }
            synchronized (lock) {
                if (!begins) {
                    unsubscribe(channel);
                } else if (state == State.OPEN) {
                    subscribers.computeIfAbsent(List.of(app, channel), key -> new HashSet<>()).add(this);
                    channels.add(channel);
                }
            }
        }

        void unsubscribe(String channel) {
            channels.remove(channel);
            subscribers.computeIfPresent(List.of(app, channel), (key, present) -> {
                present.remove(this);
                return present.isEmpty() ? null : present;
            });
        }

        void handle(Handler handler, Map<String, Object> found) {
            try {
                answer(found, handler.handle(this, found.get("payload")));
            } catch (Exception failure) {
                refuse("handler_failed", found);
            }
            synchronized (lock) {
                running--;
                lock.notifyAll();
            }
        }

        void answer(Map<String, Object> found, Object payload) {
            byte[] body = message(app, (String) found.get("channel_id"), "response", payload, found.get("message_id"));
            if (body.length > MAX_FRAME) {
                refuse("handler_failed", found);
            } else {
                send(body);
            }
        }

        void refuse(String code, Map<String, Object> found) {
            Object about = isText(found.get("message_id"), 128) ? found.get("message_id") : null;
            boolean isKnown = about != null && isChannel(found.get("channel_id"));
            String channel = isKnown ? (String) found.get("channel_id") : "system";
            Map<String, Object> error = Map.of("code", code, "message", "Refused: " + code + ".");
            synchronized (lock) {
                send(message(app, channel, "response", Map.of("status", "error", "error", error), about));
                if (FATAL.contains(code)) {
                    end();
                }
            }
        }

        void giveUp() {
            synchronized (lock) {
                if (state == State.NEW) {
                    refuse("handshake_timeout", Map.of());
                }
            }
        }

        void send(byte[] body) {
            synchronized (lock) {
                if (state == State.CLOSING) {
                    return;
                }
                waiting += body.length;
                if (waiting > MAX_WAITING) {
                    close();
                }
                frames.add(ByteBuffer.allocate(4 + body.length).putInt(body.length).put(body).array());
                lock.notifyAll();
            }
        }

        void drain() throws InterruptedException {
            synchronized (lock) {
                state = state == State.OPEN ? State.DRAINING : state;
                leave();
                long deadline = System.currentTimeMillis() + DRAIN_MS;
                long left = DRAIN_MS;
                while (state == State.DRAINING && running > 0 && left > 0) {
                    lock.wait(left);
                    left = deadline - System.currentTimeMillis();
                }
                end();
            }
        }

        void end() {
            synchronized (lock) {
                if (state == State.CLOSING) {
                    return;
                }
                state = State.CLOSING;
                leave();
                live.remove(List.of(app, name), this);
                ended.countDown();
                lock.notifyAll();
            }
            timers.schedule(this::close, LINGER_MS, TimeUnit.MILLISECONDS);
        }

        void leave() {
            List.copyOf(channels).forEach(this::unsubscribe);
        }

        void close() {
            try {
                socket.close();
            } catch (IOException closed) {
                // it is
            }
        }

        void write() {
            try {
                byte[] frame = next();
                while (frame != null) {
                    socket.getOutputStream().write(frame);
                    frame = next();
                }
                socket.shutdownOutput();
            } catch (IOException | InterruptedException lost) {
                // the reader notices it too
            }
        }

        byte[] next() throws InterruptedException {
            synchronized (lock) {
                while (frames.isEmpty() && state != State.CLOSING) {
                    lock.wait();
                }
                waiting -= frames.isEmpty() ? 0 : frames.peek().length - 4;
                return frames.poll();
            }
        }
    }

    // -- JSON, which Java's standard library does not have -----------------------------------------------------------

    /** A strict reader, and a writer: objects are maps, arrays lists, numbers BigDecimal. */
    static class Json {
        static final Object NULL = new Object();
        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        Object document() {
            Object value = value(1);
            skip();
            check(at == text.length());
            return value;
        }

        private static void check(boolean condition) {
            if (!condition) {
                throw new IllegalArgumentException("not JSON");
            }
        }

        private void skip() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
        }

        private char peek() {
            skip();
            check(at < text.length());
            return text.charAt(at);
        }

        private boolean takes(char wanted) {
            boolean found = peek() == wanted;
            at += found ? 1 : 0;
            return found;
        }

        private Object value(int depth) {
            char first = peek();
            check(depth <= MAX_DEPTH || (first != '[' && first != '{'));
            switch (first) {
                case '{':
                    return members(depth);
                case '[':
                    return items(depth);
                case '"':
                    return string();
                case 't':
                    return word("true", true);
                case 'f':
                    return word("false", false);
                case 'n':
                    return word("null", null);
                default:
                    return number();
            }
        }

        private Object word(String word, Object value) {
            check(text.startsWith(word, at));
            at += word.length();
            return value;
        }

        private Object members(int depth) {
            Map<String, Object> found = new LinkedHashMap<>();
            at++;
            if (takes('}')) {
                return found;
            }
            do {
                check(peek() == '"');
                String name = string();
                check(!found.containsKey(name) && takes(':'));
                found.put(name, value(depth + 1));
            } while (takes(','));
            check(takes('}'));
            return found;
        }

        private Object items(int depth) {
            List<Object> found = new ArrayList<>();
            at++;
            if (takes(']')) {
                return found;
            }
            do {
                found.add(value(depth + 1));
            } while (takes(','));
            check(takes(']'));
            return found;
        }

        private Object number() {
            int start = at;
            while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            String found = text.substring(start, at);
            check(found.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?"));
            check(!Double.isInfinite(Double.parseDouble(found)));
            return new BigDecimal(found);
        }

        private String string() {
            StringBuilder found = new StringBuilder();
            for (at++; text.charAt(at) != '"'; at++) {
                char character = text.charAt(at);
                check(character >= ' ');
                found.append(character == '\\' ? escaped() : character);
            }
            at++;
            check(StandardCharsets.UTF_8.newEncoder().canEncode(found));
            return found.toString();
        }

        private char escaped() {
            char character = text.charAt(++at);
            if (character == 'u') {
                String digits = text.substring(at + 1, at + 5);
                check(digits.matches("[0-9a-fA-F]{4}"));
                at += 4;
                return (char) Integer.parseInt(digits, 16);
            }
            int place = "\"\\/bfnrt".indexOf(character);
            check(place >= 0);
            return "\"\\/\b\f\n\r\t".charAt(place);
        }

        static String write(Object value) {
            StringBuilder out = new StringBuilder();
            write(value, out);
            return out.toString();
        }

        private static void write(Object value, StringBuilder out) {
            if (value instanceof Map) {
                String between = "{";
                for (Map.Entry<String, Object> each : object(value).entrySet()) {
                    out.append(between);
                    write(each.getKey(), out);
                    write(each.getValue(), out.append(':'));
                    between = ",";
                }
                out.append(between.equals("{") ? "{}" : "}");
            } else if (value instanceof List) {
                String between = "[";
                for (Object each : (List<?>) value) {
                    write(each, out.append(between));
                    between = ",";
                }
                out.append(between.equals("[") ? "[]" : "]");
            } else if (value instanceof String) {
                out.append('"');
                ((String) value).chars().forEach(character -> out.append(character < ' ' || character == '"'
                        || character == '\\' ? String.format("\\u%04x", character) : (char) character));
                out.append('"');
            } else {
                out.append(value == NULL ? null : value);
            }
        }
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        int port = Integer.parseInt(arguments[List.of(arguments).indexOf("--port") + 1]);
        try (ServerSocket listener = new ServerSocket(port, 256, InetAddress.getLoopbackAddress())) {
            while (true) {
                try {
                    Socket socket = listener.accept();
                    socket.setTcpNoDelay(true);
                    new Thread(new Connection(socket)::serve).start();
                } catch (IOException full) {
                    Thread.sleep(10); // no descriptor is free until a connection ends
                }
            }
        }
    }
}
