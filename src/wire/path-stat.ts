/** In this header, as base64 of JSON, the archive routes say what is at a path. */
export const pathStatHeader = 'X-Docker-Container-Path-Stat'

export interface ContainerPathStat {
  readonly name: string
  readonly size: number
  /** Go's os.FileMode: see go-file-mode.ts. */
  readonly mode: number
  readonly mtime: string
  /** Of a symlink: where it leads in the end, as a path in the container. */
  readonly linkTarget: string
}
