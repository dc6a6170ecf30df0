// Which question a person asks, from the words of it: a small table of patterns, tolerant of wording, that asks back when unsure.

export type Intent =
  | 'status'
  | 'services'
  | 'health'
  | 'trouble'
  | 'crash'
  | 'logs'
  | 'errors'
  | 'ports'
  | 'dependencies'
  | 'usage'
  | 'image'
  | 'environment'
  | 'who'
  | 'help';

export type Understood =
  | { readonly intent: Intent }
  | { readonly ambiguous: readonly Intent[] }
  | { readonly unknown: true };

/** For each intent: what it answers, as help says it, and words that point to it with their weight. */
export const intents: Readonly<
  Record<Intent, { readonly example: string; readonly words: readonly [RegExp, number][] }>
> = {
  trouble: {
    example: 'what is wrong?',
    words: [
      [
        /\b(wrong|matter|broken|problems?|trouble|issues?|fault|diagnos\w*|not work\w*|doesn.?t work|fail(s|ing)?)\b/,
        3,
      ],
      [/\bwhy\b.*\b(unhealthy|sick|not healthy|not ready|down|unavailable|slow)\b/, 5],
      [/\bunhealthy\b/, 2],
    ],
  },
  crash: {
    example: 'why did it restart?',
    words: [
      [/\b(crash\w*|restart\w*|died?|dead|dying|exit\w*|killed|oom|out of memory|stopped)\b/, 4],
      [/\bwhy\b/, 1],
    ],
  },
  health: { example: 'are you healthy?', words: [[/\b(health\w*|probes?|ready|alive|well|okay|ok)\b/, 3]] },
  errors: { example: 'any errors in the log?', words: [[/\b(errors?|exceptions?|tracebacks?|warnings?)\b/, 4]] },
  logs: { example: 'show the last log lines', words: [[/\b(logs?|output|lines|stdout|stderr|tail)\b/, 3]] },
  services: {
    example: 'what runs in it?',
    words: [
      [/\bservices?\b/, 3],
      [/\bprocess(es)?\b/, 3],
      [/\b(what|which)\b.*\b(run|runs|running|inside)\b/, 3],
    ],
  },
  ports: {
    example: 'which ports listen?',
    words: [[/\b(ports?|listen\w*|sockets?|address(es)?|reach|connect|ip)\b/, 3]],
  },
  dependencies: {
    example: 'what does it depend on?',
    words: [[/\b(depend\w*|needs?|upstream|downstream|requires?|backends?)\b/, 3]],
  },
  usage: {
    example: 'how much memory does it use?',
    words: [[/\b(memory|ram|cpu|usage|uses?|using|resources?|load|consum\w*)\b/, 3]],
  },
  image: {
    example: 'which image is it?',
    words: [[/\b(images?|versions?|builds?|digest|manifest|tags?|release)\b/, 3]],
  },
  environment: {
    example: 'which environment variables are set?',
    words: [[/\b(env|environment|variables?|config\w*)\b/, 3]],
  },
  who: { example: 'who are you?', words: [[/\b(who are you|who is this|your name|what are you|introduce)\b/, 6]] },
  status: {
    example: 'status',
    words: [
      [/\b(status|state|up|uptime|running|doing|how are you|how is it|since when|how long)\b/, 2],
      [/^\s*(hi|hello|hey)\b/, 1],
    ],
  },
  help: { example: 'help', words: [[/\b(help|what can (i|you)|commands?|usage info)\b/, 5]] },
};

/** A second intent this close to the first makes a question ambiguous. */
const margin = 1;

/** Pure. A question in which nothing is recognised is `unknown`; one that points two ways alike is `ambiguous`. */
export function understand(question: string): Understood {
  const text = question.toLowerCase().replace(/[’`]/g, "'").replace(/\s+/g, ' ').slice(0, 1000);
  const scores = (Object.entries(intents) as [Intent, (typeof intents)[Intent]][])
    .map(([intent, { words }]) => ({
      intent,
      score: words.reduce((sum, [pattern, weight]) => sum + (pattern.test(text) ? weight : 0), 0),
    }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score);
  const [first, second] = scores;
  if (!first) return { unknown: true };
  // Errors and logs belong together, and so do trouble, crash and health: the more specific one is meant.
  const pair = second && [first.intent, second.intent];
  if (!second || first.score - second.score >= margin) return { intent: first.intent };
  for (const [specific, general] of closeKin) {
    if (pair?.includes(specific) && pair.includes(general)) return { intent: specific };
  }
  return { ambiguous: scores.filter(({ score }) => first.score - score < margin).map(({ intent }) => intent) };
}

const closeKin: readonly (readonly [Intent, Intent])[] = [
  ['errors', 'logs'],
  ['crash', 'trouble'],
  ['trouble', 'health'],
  ['health', 'status'],
  ['ports', 'services'],
];
