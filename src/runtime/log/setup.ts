/** What becomes of a container's output, decided when it starts. JSON, since it is kept beside the bundle for a later daemon. */
export interface LogSetup {
  /** conmon's own log, which `logs` reads. */
  readonly path: string
  /** Nothing is kept: attached clients alone see the output. */
  readonly discard: boolean
  /** Bytes of one file before another is begun. */
  readonly maxSize: number
  /** How many files there are, with the one that is written. */
  readonly maxFiles: number
  /** Where each line goes besides. */
  readonly copy?: LogCopy
}

/** Another place for each line, written by the copy worker from conmon's log. */
export type LogCopy =
  | {
      readonly kind: 'json-file'
      readonly path: string
      readonly maxSize: number
      readonly maxFiles: number
      readonly attributes: Readonly<Record<string, string>>
    }
  | { readonly kind: 'syslog'; readonly target: SyslogTarget; readonly format: SyslogFormat }
  | { readonly kind: 'journald'; readonly fields: Readonly<Record<string, string>> }

export type SyslogTarget =
  | { readonly protocol: 'unixgram' | 'unix'; readonly path: string }
  | { readonly protocol: 'udp' | 'tcp'; readonly host: string; readonly port: number }
  | {
      readonly protocol: 'tcp+tls'
      readonly host: string
      readonly port: number
      readonly ca?: string
      readonly cert?: string
      readonly key?: string
      readonly skipVerify: boolean
    }

export interface SyslogFormat {
  /** `unix` is what /dev/log reads, without a host's name. */
  readonly style: 'unix' | 'rfc3164' | 'rfc5424' | 'rfc5424micro'
  readonly facility: number
  readonly tag: string
  readonly hostname: string
}

/** Docker's figures for its `local` driver. */
export const defaultMaxSize = 20 * 1024 * 1024
export const defaultMaxFiles = 5
