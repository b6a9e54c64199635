/** `POST /gantry/build/check`: what is to be said of a Dockerfile without building it. Texts alone go over, no files. */
export interface CheckRequest {
  /** `lint`: findings of the rules; `outline`: the parameters of a target; `targets`: the stages that can be built. */
  method: 'lint' | 'outline' | 'targets'
  /** The Dockerfile's name as it is shown. */
  name: string
  text: string
  /** The ignore file that counts; absent: there is none. */
  ignore?: { name: string; text: string }
  /** Paths at the top of the context, when it is at hand. */
  files?: string[]
  /** Text of the project's `.gantry-checks`. */
  project?: string
  buildArgs: Record<string, string>
  target?: string
  /** Options of the command line, in the words of the `check` directive: `skip=A,B;error=true`. */
  options?: string
}

export type CheckLevel = 'error' | 'warning' | 'info'

export interface CheckFinding {
  rule: string
  level: CheckLevel
  /** What the rule is about, one sentence. */
  description: string
  /** Of docker's rules, their page; ours have none. */
  url?: string
  /** What was found here, one sentence. */
  message: string
  /** How it is better written: lines of a Dockerfile. */
  better?: string
  /** 1-based, both included. */
  startLine: number
  endLine: number
}

/** The answer: what the method asks for; `report` also when the Dockerfile cannot be read. */
export interface CheckAnswer {
  report?: CheckReport
  outline?: BuildOutline
  targets?: BuildTargets
}

export interface CheckReport {
  /** In order of lines. */
  findings: CheckFinding[]
  /** Why it cannot be built: a fault in the Dockerfile, or findings that count as one. */
  error?: { message: string; startLine: number; endLine: number }
}

/** A target's parameters, in the words of docker's `frontend.outline`. */
export interface BuildOutline {
  name?: string
  description?: string
  args: { name: string; description?: string; value?: string; line: number }[]
  secrets: { name: string; required?: boolean; line: number }[]
  ssh: { name: string; required?: boolean; line: number }[]
  cache: { id: string; line: number }[]
}

export interface BuildTargets {
  targets: {
    name?: string
    default?: boolean
    description?: string
    base?: string
    platform?: string
    line: number
  }[]
}
