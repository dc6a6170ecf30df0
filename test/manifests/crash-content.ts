// What the process that is killed uploads, known to the test that goes on with it.

export const uploadBytes = Buffer.alloc(2_000_000, 'The upload that is cut is gone on with by who knows its rest. ');
