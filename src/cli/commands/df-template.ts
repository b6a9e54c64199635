/** `system df -v --format`: one template over lists of all images, containers, volumes and build cache, as docker has it. */
import type { DiskUsage } from '../../client/index.ts'
import { humanDuration, humanSize } from '../../lib/units.ts'
import { ExitError } from '../command.ts'
import type { Column } from '../format.ts'
import { goTime } from '../time.ts'
import { containerColumns } from './ps.ts'
import { volumeColumns } from './volumes.ts'

type Fields<Row> = Readonly<Record<string, (row: Row) => string | null>>

const since = (time: number) => `${humanDuration(Date.now() - time)} ago`

interface ImageRow {
  readonly image: NonNullable<DiskUsage['Images']>[number]
  readonly repository: string
  readonly tag: string
}

const imageFields: Fields<ImageRow> = {
  Containers: ({ image }) => String(image.Containers),
  CreatedAt: ({ image }) => goTime(image.Created * 1000),
  CreatedSince: ({ image }) => since(image.Created * 1000),
  Digest: () => '',
  ID: ({ image }) => image.Id,
  Repository: ({ repository }) => repository,
  SharedSize: ({ image }) => humanSize(Math.max(image.SharedSize, 0)),
  Size: ({ image }) => humanSize(image.Size),
  Tag: ({ tag }) => tag,
  UniqueSize: ({ image }) => humanSize(image.Size - Math.max(image.SharedSize, 0), 4),
  VirtualSize: ({ image }) => humanSize(image.Size, 4),
}

type Cache = NonNullable<DiskUsage['BuildCache']>[number]

const cacheFields: Fields<Cache> = {
  CacheType: (record) => record.Type,
  CreatedAt: (record) => record.CreatedAt,
  CreatedSince: (record) => since(Date.parse(record.CreatedAt)),
  Description: (record) => record.Description,
  ID: (record) => record.ID,
  InUse: (record) => String(record.InUse),
  LastUsedAt: (record) => record.LastUsedAt ?? '',
  LastUsedSince: (record) => (record.LastUsedAt ? since(Date.parse(record.LastUsedAt)) : ''),
  Parent: (record) => (record.Parents ?? []).join(','),
  Shared: (record) => String(record.Shared),
  Size: (record) => humanSize(record.Size),
  UsageCount: (record) => String(record.UsageCount),
}

export async function renderUsage(format: string, usage: DiskUsage): Promise<string> {
  const { MethodSet, Template, TemplateError } = await import('../../lib/go-template.ts')
  const rows = <Row>(fields: Fields<Row>, list: readonly Row[]) =>
    list.map(
      (row) =>
        new MethodSet(
          Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, () => field(row)])),
        ),
    )
  const data = new MethodSet({
    Images: () => rows(imageFields, imageRows(usage)),
    Containers: () =>
      // Docker: a platform that nobody fills in.
      rows({ ...fieldsOf(containerColumns(false)), Platform: () => null }, usage.Containers ?? []),
    Volumes: () => rows(fieldsOf(volumeColumns), usage.Volumes ?? []),
    BuildCache: () => rows(cacheFields, usage.BuildCache ?? []),
  })
  try {
    const template = Template.parse(format === 'json' ? '{{json .}}' : format)
    return `${template.execute(data, { typeName: '*formatter.diskUsageContext' })}\n`
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(1, error.message)
    throw error
  }
}

function fieldsOf<Row>(columns: Readonly<Record<string, Column<Row>>>): Fields<Row> {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.value]))
}

function imageRows(usage: DiskUsage): ImageRow[] {
  return (usage.Images ?? []).flatMap((image) => {
    const names = image.RepoTags?.length ? image.RepoTags : ['<none>:<none>']
    return names.map((name) => {
      const colon = name.lastIndexOf(':')
      return { image, repository: name.slice(0, colon), tag: name.slice(colon + 1) }
    })
  })
}
