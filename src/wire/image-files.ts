/** Gantry's own calls that look into images: `/gantry/images/…`. */

export type ImageFileType = 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket'

/** `GET /gantry/images/:name/files`, one a line. */
export interface ImageFile {
  /** Absolute in the image. */
  Path: string
  Type: ImageFileType
  /** Permission bits with setuid, setgid and sticky. */
  Mode: number
  Uid: number
  Gid: number
  /** Bytes, of files. */
  Size: number
  /** Unix seconds. */
  Mtime: number
  /** Where a symlink points to. */
  Link?: string
  /** 1-based number of the layer that has it, from the bottom. */
  Layer: number
}

/** `GET /gantry/images/:name/explain`. */
export interface ImageExplanation {
  Id: string
  RepoTags: string[]
  /** Bytes of the content of all layers. */
  Size: number
  /** Bytes of layers that later layers overwrite or delete. */
  Wasted: number
  /** Number of files that the image shows. */
  Files: number
  /** From the bottom; steps without a layer (ENV, CMD, …) among them. */
  Steps: ImageStep[]
  /** The largest files that the image shows. */
  Largest: LargeFile[]
  /** The largest files that nobody sees. */
  WastedFiles: WastedImageFile[]
}

export interface ImageStep {
  /** 1-based number of the layer, from the bottom; absent: the step has none. */
  Layer?: number
  DiffId?: string
  /** The Dockerfile's instruction, as the history tells. */
  Instruction: string
  /** As the history has it. */
  CreatedBy: string
  /** ISO; empty when the image does not say. */
  Created: string
  /** Where the instruction stands, when the image was built here and its record is kept. */
  Dockerfile?: { Name: string; Line: number }
  Size: number
  /** Numbers of files; directories do not count. */
  Added: number
  Changed: number
  Deleted: number
  Wasted: number
  Largest: LargeFile[]
}

export interface LargeFile {
  Path: string
  Size: number
  Layer: number
}

export interface WastedImageFile extends LargeFile {
  /** Number of the layer that overwrites or deletes it. */
  By: number
  Deleted: boolean
}

/** `GET /gantry/images/:name/diff?to=NAME`. */
export interface ImageDiff {
  From: { Id: string; Size: number }
  To: { Id: string; Size: number }
  /** By path. */
  Files: FileDifference[]
  Config: ConfigDifference[]
}

export interface FileDifference {
  Path: string
  Change: 'added' | 'removed' | 'changed'
  Type: ImageFileType
  /** Bytes, of files; before and after. */
  SizeFrom?: number
  SizeTo?: number
  /** Of a changed one: `content`, `mode 644→755`, `owner 0:0→1:1`, `type`, `target`. */
  What?: string[]
}

export interface ConfigDifference {
  /** `Env PATH`, `Cmd`, `Labels version`, `Architecture`. */
  Field: string
  /** As JSON; absent: not set. */
  From?: string
  To?: string
}
