// The one room that knows liblzma: xz, decompressed by WebAssembly within a bounded heap.
import {
  code,
  copyToWasm,
  decoderInit,
  end,
  initModule,
  LZMA_MEM_ERROR,
  LZMA_MEMLIMIT_ERROR,
  LZMA_OK,
  LZMA_RUN,
  LZMA_STREAM_END,
  WasmLzmaStream,
} from 'node-liblzma/wasm';
import { ManifestError } from '../error.ts';

/** dpkg writes windows of at most 64 MiB (xz -9); more is refused before it is allocated. */
const maxXzMemoryBytes = 128 * 1024 * 1024;
const chunkBytes = 64 * 1024;

/** One xz stream. The library's own TransformStream queues all that one chunk expands to; this one holds 64 KiB. */
export async function* unxz(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const module = await initModule();
  const stream = new WasmLzmaStream(module);
  decoderInit(stream, maxXzMemoryBytes);
  const output = module._malloc(chunkBytes);
  try {
    let ended = false;
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; at += chunkBytes) {
        if (ended) throw new Error('there is more after its end');
        const part = chunk.subarray(at, at + chunkBytes);
        const input = copyToWasm(module, part);
        try {
          stream.setInput(input, part.length);
          for (let full = true; full && !ended; ) {
            stream.setOutput(output, chunkBytes);
            const status = code(stream, LZMA_RUN);
            const produced = chunkBytes - stream.availOut;
            // The heap may move and is reused: what leaves is a copy.
            if (produced > 0) yield module.HEAPU8.slice(output, output + produced);
            if (status === LZMA_STREAM_END) ended = true;
            else if (status === LZMA_MEM_ERROR || status === LZMA_MEMLIMIT_ERROR)
              throw noMemory(status === LZMA_MEM_ERROR);
            else if (status !== LZMA_OK) throw new Error(`liblzma says ${status}`);
            full = stream.availOut === 0 || stream.availIn > 0;
          }
        } finally {
          module._free(input);
        }
      }
    }
    if (!ended) throw new Error('it ends too early');
  } finally {
    end(stream);
    stream.free();
    module._free(output);
  }
}

/** The heap of liblzma is shared by all that is unpacked at a time: what doesn't fit now may fit later. */
function noMemory(mayRetry: boolean): ManifestError {
  const state = mayRetry ? 'liblzma has no memory left' : `its window needs more than ${maxXzMemoryBytes} bytes`;
  return new ManifestError('too-large', `Cannot unpack the package: ${state}`, { mayRetry });
}
