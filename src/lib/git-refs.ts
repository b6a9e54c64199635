/** A commit of a repository, and the full name of the branch or tag that led to it. */
export interface FoundRef {
  readonly commit: string
  /** Empty: nothing but the commit is known. */
  readonly ref: string
}

export const isCommit = (text: string): boolean => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(text)

/** What `git ls-remote` has to be asked, so that `findRef` finds it; an empty ref is the default branch. */
export function refQuery(remote: string, ref: string): string[] {
  return ref === '' ? ['--symref', remote, 'HEAD'] : [remote, ref, `${ref}^{}`]
}

/** What a ref means in the answer: a branch counts before a tag, and a tag stands for its commit. */
export function findRef(answer: string, ref: string): FoundRef | undefined {
  const lines = answer.split('\n').map((line) => line.split('\t'))
  const find = (name: string) =>
    lines.find(([what, each]) => each === name && what !== undefined && isCommit(what))?.[0]
  if (ref === '') {
    // The line of the symbolic ref has the name in place of a commit.
    const head = lines.find(([what, each]) => each === 'HEAD' && what?.startsWith('ref: '))?.[0]
    const commit = find('HEAD')
    return commit === undefined ? undefined : { commit, ref: head?.slice(5) ?? '' }
  }
  const short = ref.replace(/^refs\//, '')
  const names = [`refs/${short}`, `refs/heads/${short}`, `refs/tags/${short}`]
  if (ref.startsWith('refs/')) names.splice(1)
  for (const name of names) {
    const commit = find(`${name}^{}`) ?? find(name)
    if (commit !== undefined) return { commit, ref: name }
  }
  return undefined
}
