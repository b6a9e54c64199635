import { createHmac, randomBytes } from 'node:crypto'
import bcrypt from 'bcrypt'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { ReloadedFile } from '../../lib/reloaded-file.ts'
import { Refusal } from './access.ts'

/** Users and their bcrypt hashes. */
export type Users = ReadonlyMap<string, string>

/** How long a password that was right is known without computing its hash again. Milliseconds. */
const rememberFor = 5 * 60_000
const maxRemembered = 4096
/** Hashes waiting to be computed: each takes a processor for some 60 ms, and everybody can ask for one. */
const maxChecks = 64
/** Hashes computed at the same time: the threads that do it also read and write the disk. */
const lanes = 2

/**
 * Decodes what `htpasswd -B` writes: `user:hash` lines, `#` comments. Docker's registry takes bcrypt alone, too, but finds out
 * only when a user cannot log in. Throws kind `invalid` naming the line.
 */
export function parseHtpasswd(text: string): Users {
  const users = new Map<string, string>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const fail = (why: string) => new EngineError('invalid', `line ${index + 1}: ${why}`)
    const colon = line.indexOf(':')
    if (colon <= 0) throw fail('want user:hash')
    const user = line.slice(0, colon)
    const hash = line.slice(colon + 1).trim()
    if (!/^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/.test(hash))
      throw fail(`the password of user ${JSON.stringify(user)} is not hashed with bcrypt: use htpasswd -B`)
    // htpasswd's `y` and OpenBSD's `b` name the same algorithm; the library knows the latter.
    users.set(user, hash.replace(/^\$2y/, '$2b'))
  }
  return users
}

/** Checks passwords. Right ones are remembered for a while, under a key that dies with the process. */
export class Passwords {
  readonly #file: ReloadedFile<Users>
  readonly #key = randomBytes(32)
  readonly #known = new Map<string, number>()
  /** Compared with passwords where there are no users at all. */
  readonly #nobody = bcrypt.hash(randomBytes(8).toString('hex'), 10)
  #checks = 0
  readonly #lanes: Promise<unknown>[] = Array.from({ length: lanes }, () => Promise.resolve())
  #next = 0

  constructor(file: ReloadedFile<Users>) {
    this.#file = file
  }

  /** Whether this is the user's password. Throws a Refusal when too many are being checked. */
  async check(op: Op, user: string, password: string): Promise<boolean> {
    const users = await this.#file.current(op)
    const hash = users.get(user)
    // The hash is part of the memory: with a new password, or without the user, the old one is unknown.
    const memory = this.#digest(`${user}\0${password}\0${hash ?? ''}`)
    if ((this.#known.get(memory) ?? 0) > performance.now()) return true
    if (this.#checks >= maxChecks)
      throw new Refusal('TOOMANYREQUESTS', 'too many logins at the same time', {
        headers: { 'Retry-After': '1' },
      })
    this.#checks++
    try {
      // Unknown users are answered no sooner than others.
      const [another] = users.values()
      const right = await this.#compare(password, hash ?? another ?? (await this.#nobody))
      if (!right || hash === undefined) return false
    } finally {
      this.#checks--
    }
    this.#remember(memory)
    return true
  }

  /** Tells a user's password from their next one, and from other users'; undefined: there is no such user. */
  async stamp(op: Op, user: string): Promise<string | undefined> {
    const hash = (await this.#file.current(op)).get(user)
    return hash === undefined ? undefined : `${user}\0${hash}`
  }

  #compare(password: string, hash: string): Promise<boolean> {
    const lane = this.#next++ % lanes
    const compared = (this.#lanes[lane] ?? Promise.resolve()).then(() => bcrypt.compare(password, hash))
    this.#lanes[lane] = compared.catch(() => {})
    return compared
  }

  #remember(memory: string): void {
    this.#known.delete(memory)
    this.#known.set(memory, performance.now() + rememberFor)
    const [oldest] = this.#known.keys()
    if (this.#known.size > maxRemembered && oldest !== undefined) this.#known.delete(oldest)
  }

  #digest(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64')
  }
}
