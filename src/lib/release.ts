/**
 * Gives the memory of a chunk back at once. Buffers live outside of the collector's heap and hardly count there: left to it, the
 * chunks of a few hundred megabytes are all in memory before it begins. For whoever owns the chunk alone and has used it up;
 * one that shares its memory with others, or has been released, is left as it is.
 */
export function release(chunk: Buffer): void {
  const { buffer, byteLength } = chunk
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && !buffer.detached)
    buffer.transfer(0)
}
