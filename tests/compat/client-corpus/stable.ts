/** Output without what no two runs have in common: ids, times, addresses, ports that are free, the widths of columns. */
export function stable(text: string): string[] {
  if (text === '') return []
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => replacements.reduce((so, [what, by]) => so.replace(what, by), line).trimEnd())
}

const replacements: readonly (readonly [RegExp, string])[] = [
  [/\r/g, '<CR>'],
  [/\b[0-9a-f]{64}\b/g, '<ID64>'],
  [/\b(?=[0-9a-f]*[0-9])[0-9a-f]{12}\b/g, '<ID12>'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| ?[+-]\d\d:?\d\d(?: [A-Z]+)?)?/g, '<TIME>'],
  [/\b(?:[Aa]bout (?:a|an) |[Ll]ess than a |\d+ )(?:second|minute|hour)s?\b/g, '<SPAN>'],
  [/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, '<MAC>'],
  [/\b(?:172\.\d+|192\.168|10\.\d+)\.\d+\.\d+\b/g, '<IP>'],
  [/\b(?:3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|4\d{4}|5\d{4}|60\d{3})(?=->|$)/g, '<PORT>'],
  [/\b(?:runc|crun) (create|exec|start) failed/g, '<RUNTIME> $1 failed'],
  [/ {2,}/g, '  '],
]
