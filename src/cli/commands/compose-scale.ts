import { apply } from '../../compose/index.ts'
import { command } from '../command.ts'
import { confirmVolume } from '../compose/confirm-volume.ts'
import { convergence, only, readScales, withScales, workOf } from '../compose/converge.ts'
import { ensureImages } from '../compose/images.ts'
import { openProject } from '../compose/open-project.ts'
import { withProgress } from '../compose/progress.ts'
import { bool } from '../flags.ts'

export const composeScale = command({
  usage: '[SERVICE=REPLICAS...]',
  flags: { 'no-deps': bool("Don't start linked services") },
  arguments: [1, Infinity],
  run: async (context, options, words) => {
    const scales = readScales(words, 'scale')
    const named = [...scales.keys()]
    const all = await openProject(context, { services: named, envResolution: true })
    const project = withScales(options['no-deps'] ? only(all, named) : all, scales)
    await withProgress(context, { title: 'Running' }, async (report, progress) => {
      const images = await ensureImages(context, project, { report })
      const wanted = await convergence(context, project, {
        named,
        images,
        mayReplace: confirmVolume(progress, { yes: false }),
      })
      await apply(workOf(context, report), wanted.plan, {
        ...wanted,
        inherit: true,
      })
    })
  },
})
