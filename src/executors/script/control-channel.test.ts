import { describe, expect, it } from "@jest/globals";
import { type ControlMessage, createControlChannel } from "./control-channel.js";

function read(
  chunks: readonly string[],
  maxOutputBytes = 1_000,
): { messages: ControlMessage[]; overflows: number } {
  const seen = { messages: [] as ControlMessage[], overflows: 0 };
  const channel = createControlChannel({
    maxOutputBytes,
    onMessage: (message) => seen.messages.push(message),
    onOverflow: () => (seen.overflows += 1),
  });
  for (const chunk of chunks) channel.push(Buffer.from(chunk));
  return seen;
}

describe("createControlChannel", () => {
  it("reads messages however they are cut", () => {
    const { messages } = read(['{"type":"mo', 'de","main":true}\n{"type":"result","output":[1]}', "\n"]);
    expect(messages).toEqual([
      { type: "mode", main: true },
      { type: "result", output: [1] },
    ]);
  });

  it("ignores what is no message: user code can reach the channel", () => {
    const { messages } = read(['nonsense\n[]\nnull\n{"type":"error","code":"canceled","message":"x"}\n\n']);
    expect(messages).toEqual([]);
  });

  it("keeps __proto__ as data", () => {
    const { messages } = read(['{"type":"result","output":{"__proto__":{"x":1}}}\n']);
    expect(JSON.stringify(messages[0])).toContain('{"__proto__":{"x":1}}');
  });

  it("gives up once on a message over the limit, ended or not", () => {
    const long = "x".repeat(70_000);
    expect(read([long, long, "\n", '{"type":"mode","main":true}\n'])).toEqual({ messages: [], overflows: 1 });
    expect(read([`{"type":"result","output":"${long}"}\n`])).toEqual({ messages: [], overflows: 1 });
  });
});
