// One JSON object a line in, one out: {"do": command, ...} -> {"ok": true, ...} | {"ok": false, "error", "message"}.
import { createInterface } from 'node:readline';

/** Serves `commands` ({name: async (request) => answer}) in order until stdin ends. */
export async function serve(commands) {
  console.log(JSON.stringify({ ready: true }));
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      if (!Object.hasOwn(commands, request.do)) throw new Error(`no such command: ${request.do}`);
      answer = { ok: true, ...await commands[request.do](request) };
    } catch (error) {
      // openid-client keeps the OAuth error code in `error`, its own in `code`.
      answer = { ok: false, error: error.error ?? error.code ?? error.name, message: error.message };
    }
    console.log(JSON.stringify(answer));
  }
}
