/** What work on a project tells while it goes on; the command line shows it. */
export interface ProgressEvent {
  /** `Container demo-web-1`, `Network demo_default`. */
  readonly id: string
  readonly status: 'working' | 'done' | 'warning' | 'error'
  /** `Creating`, `Created`, in docker compose's words. */
  readonly text: string
  /** Why: what changed, or what went wrong. */
  readonly details?: string
  /** Id of the event that this one is a part of: a layer of an image. */
  readonly parent?: string
  readonly current?: number
  readonly total?: number
}

export type Report = (event: ProgressEvent) => void

/** Tells that work begins and that it is done, or what went wrong. */
export async function reported<T>(
  report: Report,
  o: { id: string; working: string; done: string; details?: string },
  work: () => Promise<T>,
): Promise<T> {
  const details = o.details === undefined ? {} : { details: o.details }
  report({ id: o.id, status: 'working', text: o.working, ...details })
  try {
    const result = await work()
    report({ id: o.id, status: 'done', text: o.done, ...details })
    return result
  } catch (error) {
    report({
      id: o.id,
      status: 'error',
      text: 'Error',
      details: error instanceof Error ? error.message : String(error),
    })
    throw error
  }
}
