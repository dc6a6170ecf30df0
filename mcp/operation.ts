// What an operation is: one thing that a person or a program can ask of a stack, declared once and served everywhere.
import type { z } from 'zod';

/** What a caller may expect of it; the words are those of MCP's tool annotations. */
export interface Hints {
  readonly readOnly: boolean;
  readonly destructive: boolean;
  readonly idempotent: boolean;
  /** Whether it reaches beyond the mesh. */
  readonly openWorld: boolean;
}

export interface Progress {
  readonly message: string;
  /** 0 to 1, where it is known. */
  readonly fraction?: number;
}

/** What every run gets beside its input: who asks, where progress goes, and when to give up. */
export interface Call<Caller> {
  readonly principal: Caller;
  readonly report: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

/** How a command line names it. Positional words fill the named keys of the input in their order. */
export interface CommandForm {
  /** Such as `stacks` or `mesh root export`; without the program's name. */
  readonly words: string;
  /** The program that has it; `hermesh` where it is left out. */
  readonly program?: 'hermesh' | 'aish';
  readonly positional: readonly string[];
  /** Of the positional words, the last may take the rest of the line. */
  readonly rest?: boolean;
  /** Keys of the input that are paths, made absolute where the command runs. */
  readonly paths?: readonly string[];
  readonly examples: readonly string[];
}

export interface HttpForm {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the daemon's root, with `:key` for keys of the input, such as `/api/stacks/:stack`. */
  readonly path: string;
}

export interface Operation<
  Context,
  Caller,
  Input extends z.ZodObject = z.ZodObject,
  Output extends z.ZodType = z.ZodType,
> {
  /** snake_case, at most 44 characters: the name of the MCP tool and OpenAPI's operationId. */
  readonly name: string;
  readonly title: string;
  /** One sentence for people, assistants and help texts. */
  readonly sentence: string;
  readonly input: Input;
  readonly output: Output;
  readonly hints: Hints;
  readonly http: HttpForm;
  readonly command?: CommandForm;
  /** Whether another stack of the mesh may call it here. */
  readonly remote: boolean;
  /** Whether an output tells of a failure although it was given: a command that prints it then exits with 1. */
  readonly tellsOfFailure?: (output: z.output<Output>) => boolean;
  /** The output as a person reads it in a terminal. */
  readonly text: (output: z.output<Output>) => string;
  readonly run: (context: Context, input: z.output<Input>, call: Call<Caller>) => Promise<z.input<Output>>;
}

/** Ties the types of one declaration together; it changes nothing. */
export function defineOperation<Context, Caller>() {
  return <Input extends z.ZodObject, Output extends z.ZodType>(
    operation: Operation<Context, Caller, Input, Output>,
  ): Operation<Context, Caller> => operation as unknown as Operation<Context, Caller>;
}
