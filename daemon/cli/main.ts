// The entry of `hermesh`: reads the command line, carries it out, and ends with the exit code of the outcome.
import { main } from './program.ts';

process.exitCode = await main(process.argv.slice(2));
