// What a CI answers: text for people, and the findings and evidence behind it, in the form that travels between stacks.
import { z } from 'zod';

const text = z.string().max(20_000);

const findingSchema = z.object({
  code: z.string(),
  severity: z.string(),
  confidence: z.number(),
  summary: text,
  evidence: z.array(z.string()),
  mend: text.optional(),
});

const evidenceSchema = z.object({
  id: z.string(),
  what: text,
  source: text,
  readAt: z.string(),
  excerpt: text.optional(),
});

export const answerSchema = z.object({
  ci: z.string(),
  stack: z.string(),
  question: text,
  intent: z.string(),
  text,
  findings: z.array(findingSchema).max(50),
  evidence: z.array(evidenceSchema).max(100),
  ms: z.number(),
});

export type CiAnswer = z.infer<typeof answerSchema>;
