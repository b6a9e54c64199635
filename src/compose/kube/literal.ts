/** Kubernetes replaces `$(NAME)` in commands and values, and `$$` is a dollar. */
export function literal(text: string): string {
  return /\$[$(]/.test(text) ? text.replaceAll('$', () => '$$') : text
}
