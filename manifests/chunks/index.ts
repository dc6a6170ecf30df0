// The door of chunks: content cut by what it holds, the index of a blob, and what two of them share.
export { formatChunkIndex, maxIndexBytes, maxIndexedBytes, parseChunkIndex, readChunkIndex } from './chunk-index.ts';
export { type Chunk, cutChunks, maxChunkBytes, minChunkBytes, normalChunkBytes } from './cut.ts';
export { compareChunks, type Difference, type Span } from './difference.ts';
