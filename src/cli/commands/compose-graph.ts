import {
  drawSvg,
  drawTerminal,
  projectGraph,
  writeDot,
  writeMermaid,
  type ProjectGraph,
} from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { command } from '../command.ts'
import { openProject } from '../compose/open-project.ts'
import { string } from '../flags.ts'
import { terminalSize } from '../terminal.ts'
import { visible } from '../../lib/visible.ts'

const { writeFileSync } = process.getBuiltinModule('node:fs')

const writers: Readonly<Record<string, (graph: ProjectGraph) => string>> = {
  text: (graph) => drawTerminal(graph, { width: terminalSize()?.columns ?? Infinity, visible }),
  mermaid: writeMermaid,
  svg: drawSvg,
  dot: writeDot,
  json: (graph) => `${JSON.stringify(graph, null, 2)}\n`,
}

export const composeGraph = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    format: string(`Format the output. Values: [${Object.keys(writers).join(' | ')}]`, { initial: 'text' }),
    output: string('Save to file (default to stdout)', { short: 'o' }),
  },
  arguments: [0, Infinity],
  run: async (context, { format, output }, services) => {
    const write = Object.hasOwn(writers, format) ? writers[format] : undefined
    if (!write)
      throw new EngineError(
        'invalid',
        `unsupported format ${JSON.stringify(format)}: ${Object.keys(writers).join(', ')}`,
      )
    const text = write(projectGraph(await openProject(context, { services })))
    if (output === '') context.out(text)
    else writeFileSync(output, text)
  },
})
