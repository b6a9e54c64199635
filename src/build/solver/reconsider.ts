/** A result that was found turned out to be of no use; it will not be found again. The graph is solved anew. */
export class Reconsider extends Error {}
