/** What volumes can do here beyond docker: clone, rename, export, import, and the trash of `volume prune`. */
import { humanDuration, humanSize } from '../../lib/units.ts'
import type { TrashedVolumeInfo } from '../../wire/system.ts'
import { openArchive, saveArchive } from '../archive-files.ts'
import { command, ExitError, forEach } from '../command.ts'
import { listFormat } from '../common-flags.ts'
import { bool, string } from '../flags.ts'
import { renderList, type Column } from '../format.ts'
import { confirm } from '../text.ts'

export const clone = command({
  usage: 'VOLUME NEW_VOLUME',
  arguments: [2, 2],
  flags: {},
  async run(context, _flags, [source = '', target = '']) {
    const { Name } = await context.client.volumes.clone(source, target)
    context.out(`${Name}\n`)
  },
})

export const rename = command({
  usage: 'VOLUME NEW_NAME',
  arguments: [2, 2],
  flags: {},
  async run(context, _flags, [name = '', to = '']) {
    await context.client.volumes.rename(name, to)
  },
})

export const exportVolume = command({
  usage: '[OPTIONS] VOLUME',
  arguments: [1, 1],
  flags: { output: string('Write to a file, instead of STDOUT', { short: 'o' }) },
  run: (context, { output }, [name = '']) =>
    saveArchive(output, { what: 'export volume', open: () => context.client.volumes.export(name) }),
})

export const importVolume = command({
  usage: '[OPTIONS] VOLUME FILE|-',
  arguments: [2, 2],
  flags: { force: bool('Unpack over what the volume has already', { short: 'f' }) },
  async run(context, flags, [name = '', source = '']) {
    const archive = await openArchive(source)
    const { Name } = await context.client.volumes.import(name, archive, { force: flags.force })
    context.out(`${Name}\n`)
  },
})

export const trash = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    empty: bool('Delete for good what is in the trash'),
    force: bool('Do not prompt for confirmation', { short: 'f' }),
    format: listFormat(),
    quiet: bool('Only display the ids', { short: 'q' }),
  },
  async run(context, flags) {
    if (flags.empty) {
      const question =
        'WARNING! This will delete all pruned volumes for good.\nAre you sure you want to continue?'
      if (!flags.force && !(await confirm(question))) throw new ExitError(1)
      const { VolumesDeleted } = await context.client.volumes.emptyTrash()
      return context.out(VolumesDeleted.map((name) => `${name}\n`).join(''))
    }
    const { Volumes } = await context.client.volumes.trash()
    context.out(
      await renderList(flags.format, {
        typeName: '*formatter.trashContext',
        columns,
        rows: Volumes,
        table: ['ID', 'Name', 'Size', 'PrunedSince', 'ExpiresIn'],
        quiet: flags.quiet ? 'ID' : undefined,
      }),
    )
  },
})

const columns: Readonly<Record<string, Column<TrashedVolumeInfo>>> = {
  ID: { header: 'ID', value: (v) => v.ID },
  Name: { header: 'VOLUME NAME', value: (v) => v.Name },
  Size: { header: 'SIZE', value: (v) => humanSize(v.Size, 4) },
  PrunedSince: {
    header: 'PRUNED',
    value: (v) => `${humanDuration(Date.now() - Date.parse(v.PrunedAt))} ago`,
  },
  ExpiresIn: {
    header: 'DELETED FOR GOOD',
    value: (v) => `in ${humanDuration(Date.parse(v.ExpiresAt) - Date.now())}`,
  },
  PrunedAt: { header: 'PRUNED AT', value: (v) => v.PrunedAt },
  ExpiresAt: { header: 'EXPIRES AT', value: (v) => v.ExpiresAt },
  CreatedAt: { header: 'CREATED AT', value: (v) => v.CreatedAt },
}

export const restore = command({
  usage: '[OPTIONS] VOLUME|ID [VOLUME|ID...]',
  arguments: [1, Infinity],
  flags: { name: string('Give it another name') },
  run(context, flags, refs) {
    if (flags.name !== '' && refs.length > 1) throw new ExitError(1, '--name is for one volume at a time')
    return forEach(context, refs, async (ref) => {
      const { Name } = await context.client.volumes.restore(ref, { to: flags.name || undefined })
      return Name
    })
  },
})
