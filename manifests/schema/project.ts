// What a project says of itself.
import { z } from 'zod';
import { name, text, word } from './primitives.ts';

export const project = z.strictObject({
  name,
  description: text.optional(),
  repository: text.optional(),
  version: word.optional(),
  /** An SPDX expression, such as "Apache-2.0". */
  license: word.optional(),
});
