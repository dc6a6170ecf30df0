// A program as `hermesh mcp` is one: bridges its own stdio to the endpoint that its first argument names.
import { bridgeStdio, type Exchanged } from '#mcp';

const url = process.argv[2] ?? '';

export async function postTo(
  to: string | URL,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Exchanged> {
  const response = await fetch(to, { method: 'POST', body, headers: { ...headers }, signal });
  const { status, body: stream } = response;
  return { status, headers: Object.fromEntries(response.headers), body: stream ?? (async function* () {})() };
}

if (import.meta.main) {
  await bridgeStdio({
    input: process.stdin,
    output: process.stdout,
    post: (body, headers, { signal }) => postTo(url, body, headers, signal),
    signal: new AbortController().signal,
  });
}
