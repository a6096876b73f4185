// A small app on a unix socket: tells what it was asked, echoes what is sent over an upgraded connection, and crashes,
// hangs or lies when told so.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { createServer } from "node:http";

rmSync("app.sock", { force: true });
const server = createServer((request, response) => {
  const url = new URL(request.url, "http://app");
  if (url.pathname === "/health") return response.end("ok");
  if (url.pathname === "/crash") process.exit(3);
  if (url.pathname === "/page") {
    response.setHeader("Content-Type", "text/html");
    const html = "<html><head></head><body>hello</body></html>";
    response.setHeader("Content-Length", html.length);
    return response.end(html);
  }
  if (url.pathname === "/say") {
    console.log(decodeURIComponent(url.search.slice(1)));
    return response.end();
  }
  if (url.pathname === "/endless") {
    const timer = setInterval(() => response.write("more\n"), 100);
    return response.on("close", () => clearInterval(timer));
  }
  if (url.pathname === "/moved") {
    response.writeHead(302, { Location: "/elsewhere" });
    return response.end();
  }
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    response.setHeader("Set-Cookie", [
      "own=1; Path=/; Domain=example.com",
      "headrace_session=stolen; Path=/",
    ]);
    response.setHeader("Service-Worker-Allowed", "/");
    response.setHeader("Clear-Site-Data", '"*"');
    response.setHeader("Access-Control-Allow-Origin", "https://elsewhere.example");
    response.setHeader("Content-Type", "application/json");
    response.end(
      JSON.stringify({
        method: request.method,
        url: request.url,
        headers: request.headers,
        body,
        pid: process.pid,
      }),
    );
  });
});
server.on("upgrade", (request, socket) => {
  const accept = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.on("error", () => undefined);
  // frames from clients are masked; a short text is enough here
  socket.on("data", (frame) => {
    const length = frame[1] & 0x7f;
    const mask = frame.subarray(2, 6);
    if ((frame[0] & 0xf) === 8) return socket.end();
    const text = Buffer.from(frame.subarray(6, 6 + length).map((byte, at) => byte ^ mask[at % 4]));
    socket.write(Buffer.concat([Buffer.from([0x81, length]), text]));
  });
});
server.listen("app.sock", () => console.log(`pid ${process.pid}`));
