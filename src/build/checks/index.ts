/**
 * What is to be said of a Dockerfile before it is built: docker's build checks, and advice of our own.
 *
 * `rules.ts` names all rules, `options.ts` says which count and how much; each of the other files looks for a few.
 * Everything works on text: nothing is fetched, run or read from the context, so that a check takes milliseconds.
 */
export { answerCheck } from './answer.ts'
export { parseCheckOptions } from './options.ts'
