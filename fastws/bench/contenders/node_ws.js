// A server on Node's ws package, as fastws/bench/serving.py describes: `node node_ws.js JOB`.
// Packages are looked for where the benchmark was started, then where NODE_PATH says.
"use strict";
const path = require("path");

function load(name) {
  return require(require.resolve(name, { paths: [process.cwd(), __dirname] }));
}

function version(name) {
  try {
    return load(path.join(name, "package.json")).version;
  } catch {
    return "";
  }
}

function serve(job) {
  const { WebSocketServer } = load("ws");
  const server = job.certificate ? secure(job.certificate) : require("http").createServer();
  const wss = new WebSocketServer({
    server,
    perMessageDeflate: job.compression ? { threshold: 0 } : false,
    maxPayload: 0,
  });
  wss.on("connection", (ws) => {
    ws.on("message", (data, binary) => {
      if (!job.broadcast) ws.send(data, { binary });
      else for (const client of wss.clients) client.send(data, { binary });
    });
    ws.on("error", () => ws.terminate());
  });
  server.on("error", (error) => {
    process.stderr.write(error.message + "\n");
    process.exit(1);
  });
  server.listen(job.port, "127.0.0.1", () => answer(server.address().port));
}

function secure(certificate) {
  const pem = require("fs").readFileSync(certificate);
  return require("https").createServer({ key: pem, cert: pem });
}

function answer(text) {
  process.stdout.write(text + "\n");
}

function converse() {
  process.stdin.on("data", (data) => {
    for (const line of String(data).split("\n").slice(0, -1)) {
      if (line === "collect" && global.gc) global.gc();
      const { user, system } = process.cpuUsage();
      answer((user + system) / 1e6);
    }
  });
  process.stdin.on("end", () => process.exit());
}

const [job] = process.argv.slice(2);
if (job === "versions") {
  const ws = load("ws/package.json").version;
  answer(JSON.stringify({ node: process.version, ws, bufferutil: version("bufferutil") }));
} else {
  serve(JSON.parse(job));
  converse();
}
