import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxTar, command, root } from '../../system/harness.ts'
import { dockerArchive } from '../../system/archives.ts'
import type { Answer } from './script.ts'
import { stable } from './stable.ts'

export interface Side {
  readonly client: 'docker' | 'gantry'
  /** Where the daemon listens, as DOCKER_HOST has it. */
  readonly host: string
}

/** One script's shell: a folder of its own, in which each command runs, and `docker` for the client. */
export class CorpusSession {
  readonly folder = mkdtempSync('/tmp/gt-corpus-')
  readonly #side: Side
  constructor(side: Side) {
    this.#side = side
  }

  async run(line: string, timeout = 30_000): Promise<Answer> {
    const { client, host } = this.#side
    const define = client === 'gantry' ? `docker() { '${join(root, 'bin/gantry')}' "$@"; }\n` : ''
    const result = await command(['bash', '-c', `${define}cd '${this.folder}'\n${line}`], {
      timeout,
      env: {
        HOME: this.folder,
        DOCKER_CONFIG: join(this.folder, '.docker'),
        DOCKER_HOST: host,
        GANTRY_HOST: host,
        DOCKER_BUILDKIT: '0',
        DOCKER_CLI_HINTS: 'false',
        LC_ALL: 'C.UTF-8',
        TERM: 'dumb',
        COLUMNS: '80',
      },
    })
    const clean = (text: string) => {
      const plain = text.replaceAll(this.folder, '<FOLDER>').replaceAll(host, '<HOST>')
      // One name for both, wherever a command line tells of itself.
      return stable(client === 'gantry' ? plain.replaceAll(/\bgantry\b/g, 'docker') : plain)
    }
    return { stdout: clean(result.stdout), stderr: clean(result.stderr), code: result.code }
  }

  /** The image that scripts use: `gtc/base`. */
  async loadBase(): Promise<void> {
    const config = { Cmd: ['sh'], Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'], Labels: { kind: 'base' } }
    const archive = await dockerArchive({ layers: [await busyboxTar()], tags: ['gtc/base:latest'], config })
    writeFileSync(join(this.folder, '.base'), archive)
    const { code, stderr } = await this.run('docker load -q < .base')
    if (code !== 0) throw new Error(stderr.join('\n'))
    rmSync(join(this.folder, '.base'))
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
