/** Whether a variable of the environment says yes, as Go's strconv.ParseBool reads it; anything else is no. */
export function isTrueVariable(name: string): boolean {
  return ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(process.env[name] ?? '')
}
