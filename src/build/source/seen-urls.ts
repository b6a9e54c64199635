import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { writeFileAtomic } from '../../lib/atomic-file.ts'
import { digestOf, isDigest, type Digest } from '../../lib/digest.ts'

const answer = z.object({
  digest: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value)),
  etag: z.string().exactOptional(),
  lastModified: z.string().exactOptional(),
})
const file = z.array(z.tuple([z.string(), answer]))
export type SeenUrl = z.infer<typeof answer>

/** Each is a few hundred bytes. */
const maxUrls = 2000

/** What servers said of the files that builds fetched from them, so that the next build can ask whether it still holds. */
export class SeenUrls {
  readonly #path: string
  readonly #known: Map<string, SeenUrl>

  private constructor(path: string, known: Map<string, SeenUrl>) {
    this.#path = path
    this.#known = known
  }

  /** A missing or damaged file costs downloads, nothing else. */
  static async open(path: string): Promise<SeenUrls> {
    try {
      const parsed = file.safeParse(JSON.parse(await readFile(path, 'utf8')))
      return new SeenUrls(path, new Map(parsed.success ? parsed.data : []))
    } catch {
      return new SeenUrls(path, new Map())
    }
  }

  get(url: string): SeenUrl | undefined {
    return this.#known.get(keyOf(url))
  }

  async put(url: string, seen: SeenUrl): Promise<void> {
    const key = keyOf(url)
    this.#known.delete(key)
    this.#known.set(key, seen)
    for (const oldest of this.#known.keys()) if (this.#known.size > maxUrls) this.#known.delete(oldest)
    await writeFileAtomic(this.#path, JSON.stringify([...this.#known]), { mode: 0o600 })
  }
}

/** URLs may hold secrets. */
const keyOf = (url: string): string => digestOf(url)
