import { connect } from '../../client/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { command } from '../command.ts'
import { complete as find, type Completion } from '../complete.ts'
import { bashScript, fishScript, zshScript } from '../completion-scripts.ts'
import { globals } from '../globals.ts'

const script = (text: string) =>
  command({
    usage: '',
    arguments: [0, 0],
    flags: {},
    run(context) {
      context.out(text)
      return Promise.resolve()
    },
  })

export const bash = script(bashScript)
export const zsh = script(zshScript)
export const fish = script(fishScript)

/** Someone waits with a key pressed. Milliseconds. */
const patience = 2000

/** What the shells' scripts call. */
export const complete = command({
  usage: 'WORD...',
  arguments: [0, Infinity],
  interspersed: false,
  flags: {},
  async run(context, _flags, words) {
    // Not the command line's own client: that would start a daemon.
    using client = connect({ host: context.host })
    const timeout = AbortSignal.timeout(patience)
    const late = new Promise<Completion>((resolve) =>
      timeout.addEventListener('abort', () => resolve({ candidates: [], files: false }), { once: true }),
    )
    let known: Completion
    try {
      known = await Promise.race([find(words, { globals, client }), late])
    } catch (error) {
      // Without a daemon there is nothing to offer, and this is no place to complain.
      if (!(error instanceof EngineError)) throw error
      known = { candidates: [], files: false }
    }
    if (known.files) context.out(':files\n')
    context.out(known.candidates.map(({ text, about }) => `${text}\t${about}\n`).join(''))
  },
})
