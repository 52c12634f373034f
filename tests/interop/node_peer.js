// A peer made of Node's ws package: a server (PORT 0), or a client of ws://127.0.0.1:PORT.
// It echoes messages, does what those that start with "!" ask for, reports on its standard output,
// and ends with its standard input.
//     node node_peer.js PORT OPTIONS [SUBPROTOCOL ...]
"use strict";
const { WebSocket, WebSocketServer } = require("ws");

const [port, options, ...subprotocols] = process.argv.slice(2);

function report(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

const commands = {
  send: (ws, size) => ws.send(Buffer.alloc(size, "b")),
  repeat: (ws, [count, text]) => {
    for (let i = 0; i < count; i++) ws.send(`${text} ${i}`);
  },
  textFragments: (ws, parts) => sendFragments(ws, parts.map((hex) => Buffer.from(hex, "hex")), false),
  binaryFragments: (ws, parts) => sendFragments(ws, parts.map((hex) => Buffer.from(hex, "hex")), true),
  wrongMask: (ws, mask) => ws.send("?", { mask }),
  ping: (ws, payload) => ws.ping(payload),
  pong: (ws, payload) => ws.pong(payload),
  close: (ws, [code, reason]) => ws.close(code, reason),
  terminate: (ws) => ws.terminate(),
};

function sendFragments(ws, parts, binary) {
  parts.forEach((part, i) => ws.send(part, { binary, fin: i === parts.length - 1 }));
}

function attach(ws) {
  report({ open: { extensions: ws.extensions, subprotocol: ws.protocol } });
  ws.on("message", (data, isBinary) => {
    if (!isBinary && data[0] === 0x21) {
      const [name, argument] = JSON.parse(data.subarray(1));
      commands[name](ws, argument);
    } else {
      ws.send(data, { binary: isBinary });
    }
  });
  ws.on("ping", (data) => report({ ping: String(data) }));
  ws.on("pong", (data) => report({ pong: String(data) }));
  ws.on("error", (error) => report({ error: error.code || error.message }));
  ws.on("close", (code, reason) => report({ close: [code, String(reason)] }));
}

const parsed = JSON.parse(options);
if (port === "0") {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...parsed });
  server.on("listening", () => report({ port: server.address().port }));
  server.on("connection", attach);
} else {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`, subprotocols, parsed);
  const failed = (error) => report({ failed: error.message });
  ws.on("error", failed);
  ws.on("open", () => {
    ws.off("error", failed);
    attach(ws);
  });
}
process.stdin.on("end", () => process.exit());
process.stdin.resume();
