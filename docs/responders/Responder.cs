using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using Members = System.Collections.Generic.Dictionary<string, object>;

/// <summary>
/// A small server with the responder, in C# 7: two threads for each connection, and one for each request.
/// </summary>
public static class Responder
{
    const int MaxFrame = 4 << 20;
    const int MaxWaiting = 16 << 20;
    const int MaxDepth = 100;
    const int HandshakeMs = 2000;
    const int DrainMs = 5000;
    const int LingerMs = 6000;
    static readonly HashSet<string> Fatal = new HashSet<string> { "frame_too_large", "malformed_frame",
        "handshake_required", "handshake_timeout", "unsupported_protocol", "session_replaced" };
    static readonly HashSet<string> Types = new HashSet<string> { "request", "response", "notification", "subscribe",
        "unsubscribe", "publish" };
    static readonly HashSet<string> Envelope = new HashSet<string> { "message_id", "app_id", "channel_id",
        "message_type", "payload", "timestamp" };
    static readonly Encoding Utf8 = new UTF8Encoding(false, true);

    /// <summary>Guards everything that connections share, and the state of each.</summary>
    static readonly object Gate = new object();
    static readonly Dictionary<(string, string), Connection> Live = new Dictionary<(string, string), Connection>();
    static readonly Dictionary<(string, string), HashSet<Connection>> Subscribers =
        new Dictionary<(string, string), HashSet<Connection>>();
    static readonly Queue<object> Notes = new Queue<object>();

    // -- the responder: a handler that throws makes the server answer handler_failed ---------------------------------

    delegate object Handler(Connection connection, object payload);

    static readonly Dictionary<string, Handler> Requests = new Dictionary<string, Handler>
    {
        ["conformance.echo"] = (connection, payload) => payload,
        ["conformance.delay"] = Delay,
        ["conformance.fail"] = (connection, payload) =>
            throw new InvalidOperationException(Get(payload, "detail") as string),
        ["conformance.silent"] = (connection, payload) =>
        {
            connection.Ended.Wait();
            return null;
        },
        ["conformance.emit"] = Emit,
        ["conformance.seen"] = (connection, payload) =>
        {
            Must(payload is Members);
            lock (Gate)
            {
                return new Members { ["seen"] = Notes.ToList() };
            }
        },
        ["conformance.close"] = (connection, payload) =>
        {
            connection.End();
            return null;
        },
    };

    static readonly Dictionary<string, Handler> Notifications = new Dictionary<string, Handler>
    {
        ["conformance.note"] = Note,
        ["conformance.fail_note"] = (connection, payload) =>
        {
            Note(connection, payload);
            throw new InvalidOperationException("the notification was to fail");
        },
    };

    static object Delay(Connection connection, object payload)
    {
        double delay = NotNegative(Get(payload, "delay_ms"));
        Must(Has(payload, "value"));
        Thread.Sleep((int)Math.Min(delay, int.MaxValue));
        return new Members { ["value"] = Get(payload, "value") };
    }

    static object Emit(Connection connection, object payload)
    {
        double count = NotNegative(Get(payload, "count"));
        string channel = Get(payload, "channel") as string;
        string kind = Get(payload, "message_type") as string;
        Must(count <= int.MaxValue && count % 1 == 0 && IsChannel(channel) && channel != "system");
        Must((kind == "publish" || kind == "notification") && Has(payload, "payload"));
        for (int number = 0; number < count; number++)
        {
            Deliver(connection.App, channel, Message(connection.App, channel, kind, Get(payload, "payload"), null));
        }
        return new Members { ["emitted"] = (int)count };
    }

    static object Note(Connection connection, object payload)
    {
        lock (Gate)
        {
            Notes.Enqueue(payload);
            if (Notes.Count > 1000)
            {
                Notes.Dequeue();
            }
        }
        return null;
    }

    static void Must(bool condition)
    {
        if (!condition)
        {
            throw new ArgumentException("the payload is not as the table says");
        }
    }

    static double NotNegative(object value)
    {
        Must(IsNotNegative(value));
        return ((Number)value).Value;
    }

    // -- messages ----------------------------------------------------------------------------------------------------

    /// <summary>A message breaks a rule; the message of the exception is the code of the error.</summary>
    class Refusal : Exception
    {
        public Refusal(string code) : base(code) { }
    }

    /// <summary>Return a member of an object; something else if it is absent, or if this is no object.</summary>
    static object Get(object value, string name, object otherwise = null) =>
        Has(value, name) ? ((Members)value)[name] : otherwise;

    static bool Has(object value, string name) => value is Members members && members.ContainsKey(name);

    static Members Decode(byte[] body)
    {
        try
        {
            if (new Json(Utf8.GetString(body)).Document() is Members found)
            {
                return found;
            }
        }
        catch (Exception)
        {
            // refused below
        }
        throw new Refusal("malformed_frame");
    }

    static byte[] Message(string app, string channel, string kind, object payload, object replyTo)
    {
        return Utf8.GetBytes(Json.Write(new Members
        {
            ["message_id"] = Guid.NewGuid().ToString(),
            ["app_id"] = app,
            ["channel_id"] = channel,
            ["message_type"] = kind,
            ["payload"] = payload,
            ["timestamp"] = Seconds(DateTimeOffset.UtcNow),
            ["reply_to"] = replyTo,
        }));
    }

    static decimal Seconds(DateTimeOffset moment) => moment.ToUnixTimeMilliseconds() / 1000m;

    static bool IsText(object value, int longest) =>
        value is string text && text != "" && text.Count(unit => !char.IsLowSurrogate(unit)) <= longest;

    static bool IsChannel(object value) => IsText(value, 255) && ((string)value).All(unit => unit >= ' ');

    static bool IsNotNegative(object value) => value is Number number && number.Value >= 0;

    static bool IsEnvelope(Members found)
    {
        object replyTo = Get(found, "reply_to");
        return Envelope.SetEquals(found.Keys.Where(name => name != "reply_to"))
            && IsText(found["message_id"], 128) && IsText(found["app_id"], 255) && IsChannel(found["channel_id"])
            && found["message_type"] is string kind && Types.Contains(kind) && IsNotNegative(found["timestamp"])
            && (replyTo == null || IsText(replyTo, 128));
    }

    static bool IsConnect(Members found)
    {
        object payload = Get(found, "payload");
        object client = Get(payload, "client", new Members());
        return IsEnvelope(found) && found["message_type"].Equals("request") && found["channel_id"].Equals("system")
            && "connect".Equals(Get(payload, "action")) && IsText(Get(payload, "connection_id"), 128)
            && Get(payload, "protocol", "1.0") is string protocol
            && Regex.IsMatch(protocol, @"^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\z")
            && Get(payload, "token", "") is string && client is Members
            && Get(client, "name", "") is string && Get(client, "version", "") is string;
    }

    static void Deliver(string app, string channel, byte[] body)
    {
        lock (Gate)
        {
            if (Subscribers.TryGetValue((app, channel), out HashSet<Connection> present))
            {
                foreach (Connection each in present)
                {
                    each.Send(body);
                }
            }
        }
    }

    /// <summary>Return the answer to a request on the channel system.</summary>
    static object Act(object payload)
    {
        switch (Get(payload, "action") as string)
        {
            case null:
                throw new Refusal("invalid_message");
            case "ping":
                return new Members { ["status"] = "pong" };
            case "get_time":
                DateTimeOffset now = DateTimeOffset.UtcNow;
                string iso = now.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
                return new Members { ["timestamp"] = Seconds(now), ["iso"] = iso };
            case "connect":
                throw new Refusal("already_connected");
            default:
                throw new Refusal("unknown_action");
        }
    }

    // -- connections -------------------------------------------------------------------------------------------------

    enum State { New, Open, Draining, Closing }

    /// <summary>A client; it drains if the client ends its side first.</summary>
    class Connection
    {
        public readonly ManualResetEventSlim Ended = new ManualResetEventSlim();
        public volatile string App = "system";
        readonly Socket socket;
        readonly NetworkStream stream;
        readonly BlockingCollection<byte[]> frames = new BlockingCollection<byte[]>();
        readonly HashSet<string> channels = new HashSet<string>();
        string name = "";
        State state = State.New;
        int waiting;
        int running;

        public Connection(Socket socket)
        {
            this.socket = socket;
            stream = new NetworkStream(socket);
        }

        public void Serve()
        {
            Thread writer = new Thread(() => UntilLost(Write));
            writer.Start();
            After(HandshakeMs, GiveUp);
            UntilLost(() =>
            {
                Read();
                Drain();
                while (stream.Read(new byte[65536], 0, 65536) > 0)
                {
                    // so that the client can read the error
                }
            });
            End();
            writer.Join();
            socket.Close();
        }

        static void UntilLost(Action work)
        {
            try
            {
                work();
            }
            catch (Exception lost)
                when (lost is IOException || lost is SocketException || lost is ObjectDisposedException)
            {
                // the connection ends
            }
        }

        static void After(int milliseconds, Action work)
        {
            Task.Delay(milliseconds).ContinueWith(_ => work());
        }

        bool Is(params State[] wanted)
        {
            lock (Gate)
            {
                return wanted.Contains(state);
            }
        }

        void Read()
        {
            while (Is(State.New, State.Open) && Take(4) is byte[] header)
            {
                uint length = (uint)IPAddress.NetworkToHostOrder(BitConverter.ToInt32(header, 0));
                if (length > MaxFrame)
                {
                    Refuse("frame_too_large", null);
                }
                else if (Take((int)length) is byte[] body)
                {
                    Receive(body);
                }
            }
        }

        /// <summary>Return so many octets, or null if the client has ended its side.</summary>
        byte[] Take(int count)
        {
            MemoryStream taken = new MemoryStream();
            byte[] part = new byte[Math.Min(count, 65536)];
            while (taken.Length < count)
            {
                int length = stream.Read(part, 0, (int)Math.Min(part.Length, count - taken.Length));
                if (length == 0)
                {
                    return null;
                }
                taken.Write(part, 0, length);
            }
            return taken.ToArray();
        }

        void Receive(byte[] body)
        {
            Members found = null;
            try
            {
                found = Decode(body);
                if (Is(State.New))
                {
                    Connect(found);
                }
                else if (IsEnvelope(found))
                {
                    Process(found, body);
                }
                else
                {
                    throw new Refusal("invalid_message");
                }
            }
            catch (Refusal refusal)
            {
                Refuse(refusal.Message, found);
            }
        }

        void Connect(Members found)
        {
            if (!IsConnect(found))
            {
                throw new Refusal("handshake_required");
            }
            object payload = found["payload"];
            if (!((string)Get(payload, "protocol", "1.0")).StartsWith("1.", StringComparison.Ordinal))
            {
                throw new Refusal("unsupported_protocol");
            }
            lock (Gate)
            {
                if (state != State.New)
                {
                    return;
                }
                App = (string)found["app_id"];
                name = (string)Get(payload, "connection_id");
                if (Live.TryGetValue((App, name), out Connection older))
                {
                    older.Refuse("session_replaced", null);
                }
                state = State.Open;
                Live[(App, name)] = this;
                Members limits = new Members { ["max_frame_bytes"] = MaxFrame, ["max_depth"] = MaxDepth,
                    ["handshake_timeout_ms"] = HandshakeMs };
                Send(Message(App, "system", "response", new Members { ["status"] = "connected",
                    ["connection_id"] = name, ["protocol"] = "1.1", ["profiles"] = new List<object>(),
                    ["limits"] = limits }, null));
            }
        }

        void Process(Members found, byte[] body)
        {
            string kind = (string)found["message_type"];
            string channel = (string)found["channel_id"];
            bool isResponder = App == "conformance";
            if (kind == "response")
            {
                return;
            }
            if ((string)found["app_id"] != App)
            {
                throw new Refusal("app_mismatch");
            }
            switch (kind)
            {
                case "subscribe":
                case "unsubscribe":
                    Subscribe(channel, found["payload"], kind == "subscribe");
                    break;
                case "publish":
                    if (channel == "system")
                    {
                        throw new Refusal("reserved_channel");
                    }
                    Deliver(App, channel, body);
                    break;
                case "notification":
                    if (isResponder && Notifications.TryGetValue(channel, out Handler notice))
                    {
                        try
                        {
                            notice(this, found["payload"]);
                        }
                        catch (Exception)
                        {
                            // nobody is told that a notification failed
                        }
                    }
                    break;
                default:
                    if (channel == "system")
                    {
                        Answer(found, Act(found["payload"]));
                    }
                    else if (isResponder && Requests.TryGetValue(channel, out Handler handler))
                    {
                        lock (Gate)
                        {
                            running++;
                        }
                        new Thread(() => Handle(handler, found)).Start();
                    }
                    else
                    {
                        throw new Refusal("no_handler");
                    }
                    break;
            }
        }

        void Subscribe(string channel, object payload, bool begins)
        {
            object id = Get(payload, "connection_id");
            if (!IsText(id, 128))
            {
                throw new Refusal("invalid_message");
            }
            if (!id.Equals(name))
            {
                throw new Refusal("forbidden");
            }
            lock (Gate)
            {
                if (!begins)
                {
                    Unsubscribe(channel);
                }
                else if (state == State.Open && channels.Add(channel))
                {
                    if (!Subscribers.ContainsKey((App, channel)))
                    {
                        Subscribers[(App, channel)] = new HashSet<Connection>();
                    }
                    Subscribers[(App, channel)].Add(this);
                }
            }
        }

        void Unsubscribe(string channel)
        {
            if (channels.Remove(channel) && Subscribers[(App, channel)].Remove(this)
                && Subscribers[(App, channel)].Count == 0)
            {
                Subscribers.Remove((App, channel));
            }
        }

        void Handle(Handler handler, Members found)
        {
            try
            {
                Answer(found, handler(this, found["payload"]));
            }
            catch (Exception)
            {
                Refuse("handler_failed", found);
            }
            lock (Gate)
            {
                running--;
                Monitor.PulseAll(Gate);
            }
        }

        void Answer(Members found, object payload)
        {
            byte[] body = Message(App, (string)found["channel_id"], "response", payload, found["message_id"]);
            if (body.Length > MaxFrame)
            {
                Refuse("handler_failed", found);
            }
            else
            {
                Send(body);
            }
        }

        void Refuse(string code, Members found)
        {
            object about = IsText(Get(found, "message_id"), 128) ? found["message_id"] : null;
            bool isKnown = about != null && IsChannel(Get(found, "channel_id"));
            string channel = isKnown ? (string)found["channel_id"] : "system";
            Members error = new Members { ["code"] = code, ["message"] = $"Refused: {code}." };
            Members payload = new Members { ["status"] = "error", ["error"] = error };
            lock (Gate)
            {
                Send(Message(App, channel, "response", payload, about));
                if (Fatal.Contains(code))
                {
                    End();
                }
            }
        }

        void GiveUp()
        {
            lock (Gate)
            {
                if (state == State.New)
                {
                    Refuse("handshake_timeout", null);
                }
            }
        }

        public void Send(byte[] body)
        {
            byte[] frame = new byte[4 + body.Length];
            BitConverter.GetBytes(IPAddress.HostToNetworkOrder(body.Length)).CopyTo(frame, 0);
            body.CopyTo(frame, 4);
            lock (Gate)
            {
                if (state == State.Closing)
                {
                    return;
                }
                waiting += body.Length;
                if (waiting > MaxWaiting)
                {
                    Cut();
                    return;
                }
                frames.Add(frame);
            }
        }

        void Drain()
        {
            lock (Gate)
            {
                state = state == State.Open ? State.Draining : state;
                Leave();
                After(DrainMs, End);
                while (state == State.Draining && running > 0)
                {
                    Monitor.Wait(Gate);
                }
                End();
            }
        }

        public void End()
        {
            lock (Gate)
            {
                if (state == State.Closing)
                {
                    return;
                }
                state = State.Closing;
                Leave();
                if (Live.TryGetValue((App, name), out Connection latest) && latest == this)
                {
                    Live.Remove((App, name));
                }
                frames.CompleteAdding();
                Ended.Set();
                Monitor.PulseAll(Gate);
            }
            After(LingerMs, Cut);
        }

        void Leave()
        {
            channels.ToList().ForEach(Unsubscribe);
        }

        /// <summary>Cut both sides, so that whoever reads or writes wakes up.</summary>
        void Cut() => UntilLost(() => socket.Shutdown(SocketShutdown.Both));

        /// <summary>Write what waits until this side ends.</summary>
        void Write()
        {
            foreach (byte[] frame in frames.GetConsumingEnumerable())
            {
                lock (Gate)
                {
                    waiting -= frame.Length - 4;
                }
                stream.Write(frame, 0, frame.Length);
            }
            socket.Shutdown(SocketShutdown.Send);
        }
    }

    // -- JSON, as .NET and Mono have no reader in common -------------------------------------------------------------

    /// <summary>A number as it was written, so that nothing of it is lost.</summary>
    class Number
    {
        public readonly double Value;
        readonly string text;

        public Number(string text)
        {
            this.text = text;
            Value = double.Parse(text, CultureInfo.InvariantCulture);
        }

        public override string ToString() => text;
    }

    /// <summary>A strict reader, and a writer: objects are dictionaries, arrays lists.</summary>
    class Json
    {
        readonly string text;
        int at;

        public Json(string text)
        {
            this.text = text;
        }

        public object Document()
        {
            object value = ReadValue(1);
            Skip();
            Check(at == text.Length);
            return value;
        }

        static void Check(bool condition)
        {
            if (!condition)
            {
                throw new FormatException("not JSON");
            }
        }

        void Skip()
        {
            while (at < text.Length && " \t\r\n".IndexOf(text[at]) >= 0)
            {
                at++;
            }
        }

        char Peek()
        {
            Skip();
            Check(at < text.Length);
            return text[at];
        }

        bool Takes(char wanted)
        {
            bool found = Peek() == wanted;
            at += found ? 1 : 0;
            return found;
        }

        object ReadValue(int depth)
        {
            char first = Peek();
            Check(depth <= MaxDepth || (first != '[' && first != '{'));
            switch (first)
            {
                case '{':
                    return ReadObject(depth);
                case '[':
                    return ReadArray(depth);
                case '"':
                    return ReadText();
                case 't':
                    return ReadWord("true", true);
                case 'f':
                    return ReadWord("false", false);
                case 'n':
                    return ReadWord("null", null);
                default:
                    return ReadNumber();
            }
        }

        object ReadWord(string word, object value)
        {
            Check(string.CompareOrdinal(text, at, word, 0, word.Length) == 0);
            at += word.Length;
            return value;
        }

        Members ReadObject(int depth)
        {
            Members found = new Members();
            at++;
            if (Takes('}'))
            {
                return found;
            }
            do
            {
                Check(Peek() == '"');
                string name = ReadText();
                Check(!found.ContainsKey(name) && Takes(':'));
                found[name] = ReadValue(depth + 1);
            }
            while (Takes(','));
            Check(Takes('}'));
            return found;
        }

        List<object> ReadArray(int depth)
        {
            List<object> found = new List<object>();
            at++;
            if (Takes(']'))
            {
                return found;
            }
            do
            {
                found.Add(ReadValue(depth + 1));
            }
            while (Takes(','));
            Check(Takes(']'));
            return found;
        }

        Number ReadNumber()
        {
            int start = at;
            while (at < text.Length && "+-.0123456789eE".IndexOf(text[at]) >= 0)
            {
                at++;
            }
            string found = text.Substring(start, at - start);
            Check(Regex.IsMatch(found, @"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\z"));
            Number number = new Number(found);
            Check(!double.IsInfinity(number.Value));
            return number;
        }

        string ReadText()
        {
            StringBuilder found = new StringBuilder();
            for (at++; text[at] != '"'; at++)
            {
                Check(text[at] >= ' ');
                found.Append(text[at] == '\\' ? ReadEscape() : text[at]);
            }
            at++;
            Utf8.GetByteCount(found.ToString()); // which throws if there is half of a surrogate pair
            return found.ToString();
        }

        char ReadEscape()
        {
            at++;
            if (text[at] == 'u')
            {
                string digits = text.Substring(at + 1, 4);
                Check(digits.All(Uri.IsHexDigit));
                at += 4;
                return (char)Convert.ToUInt16(digits, 16);
            }
            int place = "\"\\/bfnrt".IndexOf(text[at]);
            Check(place >= 0);
            return "\"\\/\b\f\n\r\t"[place];
        }

        public static string Write(object value)
        {
            if (value is Members members)
            {
                return "{" + string.Join(",", members.Select(each => Write(each.Key) + ":" + Write(each.Value))) + "}";
            }
            if (value is List<object> items)
            {
                return "[" + string.Join(",", items.Select(Write)) + "]";
            }
            if (value is string text)
            {
                return '"' + Regex.Replace(text, @"[\x00-\x1f""\\]", each => $"\\u{(int)each.Value[0]:x4}") + '"';
            }
            if (value is bool truth)
            {
                return truth ? "true" : "false";
            }
            return value == null ? "null" : Convert.ToString(value, CultureInfo.InvariantCulture);
        }
    }

    public static void Main(string[] arguments)
    {
        int port = int.Parse(arguments[Array.IndexOf(arguments, "--port") + 1]);
        TcpListener listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start(256);
        while (true)
        {
            try
            {
                Socket socket = listener.AcceptSocket();
                socket.NoDelay = true;
                new Thread(new Connection(socket).Serve).Start();
            }
            catch (SocketException)
            {
                Thread.Sleep(10); // no descriptor is free
            }
        }
    }
}
