import type { HealthConfig } from '../../wire/container.ts'
import type { Heredoc, InstructionNode, LogicalText } from './parser.ts'
import type { Range } from './source.ts'

/** Typed instructions. Variables are not expanded yet: `Word` keeps the text with its place. */
export interface Word {
  readonly text: string
  readonly range: Range
  /** Offset → place, for carets inside the word. */
  readonly logical?: LogicalText
}

export interface Assignment {
  readonly key: Word
  readonly value: Word
}

export interface CommandLine {
  /** Exec form: the arguments; shell form: one string. */
  readonly args: readonly string[]
  readonly form: 'exec' | 'shell'
}

interface Base {
  readonly node: InstructionNode
}

export type Instruction =
  | (Base & { kind: 'from'; image: Word; name?: string; platform?: Word })
  | (Base & {
      kind: 'run'
      command: CommandLine
      heredocs: readonly Heredoc[]
      mounts: readonly Word[]
      network?: Word
      security?: Word
    })
  | (Base & {
      kind: 'copy' | 'add'
      sources: readonly Word[]
      heredocs: readonly Heredoc[]
      target: Word
      from?: Word
      chown?: Word
      chmod?: Word
      link: boolean
      parents: boolean
      excludes: readonly Word[]
      checksum?: Word
      /** Absent: archives of the context are unpacked, those of URLs are not. */
      unpack?: boolean
      keepGitDir: boolean
    })
  | (Base & { kind: 'workdir'; path: Word })
  | (Base & { kind: 'env'; pairs: readonly Assignment[] })
  | (Base & { kind: 'label'; pairs: readonly Assignment[] })
  | (Base & { kind: 'arg'; args: readonly { key: Word; value?: Word }[] })
  | (Base & { kind: 'expose'; ports: readonly Word[] })
  | (Base & { kind: 'user'; user: Word })
  | (Base & { kind: 'volume'; paths: readonly Word[] })
  | (Base & { kind: 'cmd' | 'entrypoint'; command: CommandLine })
  | (Base & { kind: 'stopsignal'; signal: Word })
  | (Base & { kind: 'shell'; shell: readonly string[] })
  | (Base & { kind: 'healthcheck'; health: HealthConfig })
  | (Base & { kind: 'onbuild'; expression: string })
  | (Base & { kind: 'maintainer'; name: string })

export type InstructionOf<K extends Instruction['kind']> = Extract<Instruction, { kind: K }>
