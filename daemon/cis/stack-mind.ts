// The CI that a stack itself is (type `tekton`): it answers about the stack from what the stack knows of itself.
import type { CiAnswer } from '../answer.ts';

export interface StackFacts {
  readonly name: string;
  readonly stack: string;
  readonly version: string;
  readonly startedAt: Date;
  readonly engine: string;
  readonly members: readonly { readonly name: string; readonly state: string; readonly reason: string | undefined }[];
  readonly cis: readonly { readonly name: string; readonly health: string }[];
}

/** Says how the stack, its engine, its mesh and its CIs are; each sentence cites where it was read. Pure. */
export function answerForStack(facts: StackFacts, question: string, now: Date): CiAnswer {
  const unwell = facts.cis.filter(({ health }) => health !== 'healthy' && health !== 'unknown');
  const away = facts.members.filter(({ state }) => state !== 'up');
  const readAt = now.toISOString();
  const since = facts.startedAt.toISOString();
  const sentences = [
    `I am the stack ${facts.name}, version ${facts.version}, up since ${since} [e1].`,
    `My engine is ${facts.engine} [e1].`,
    `The mesh has ${facts.members.length} ${facts.members.length === 1 ? 'stack' : 'stacks'}${
      away.length > 0 ? `, of which ${away.map(({ name, state }) => `${name} is ${state}`).join(', ')}` : ', all up'
    } [e2].`,
    `I look after ${facts.cis.length} ${facts.cis.length === 1 ? 'CI' : 'CIs'}${
      unwell.length > 0 ? `; not well: ${unwell.map(({ name, health }) => `${name} (${health})`).join(', ')}` : ''
    } [e3].`,
  ];
  return {
    ci: facts.name,
    stack: facts.stack,
    question,
    intent: 'status',
    text: sentences.join('\n'),
    findings: [
      ...unwell.map(({ name, health }) => ({
        code: 'ci-unwell',
        severity: 'warning',
        confidence: 1,
        summary: `${name} is ${health}`,
        evidence: ['e3'],
        mend: `aish ${name} "what is wrong?"`,
      })),
      ...away.map(({ name, state, reason }) => ({
        code: 'stack-away',
        severity: 'warning',
        confidence: 1,
        summary: `stack ${name} is ${state}${reason ? `: ${reason}` : ''}`,
        evidence: ['e2'],
      })),
    ],
    evidence: [
      { id: 'e1', what: 'this daemon', source: 'its own state', readAt },
      {
        id: 'e2',
        what: 'members of the mesh',
        source: 'registry',
        readAt,
        excerpt: facts.members.map(({ name, state }) => `${name}: ${state}`).join('\n'),
      },
      {
        id: 'e3',
        what: 'CIs of this stack',
        source: 'registry',
        readAt,
        excerpt: facts.cis.map(({ name, health }) => `${name}: ${health}`).join('\n'),
      },
    ],
    ms: 0,
  };
}
