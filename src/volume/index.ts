/**
 * Directories that outlive containers: named ones, and anonymous ones that go with their container.
 *
 * Lifecycle: create() makes `<root>/<name>/_data` and then the record; populate() fills an empty one from an image;
 * remove() renames the directory out of the way first, then forgets the record, then deletes; discard() keeps it in the trash
 * for a while. A volume with mount options is mounted from hold() until the last release().
 *
 * Guarantees: after a kill at any point a volume is either whole or gone at the next open(). A directory with content is never
 * deleted because its record is missing: it becomes a volume again. What a container mounts cannot be removed, and
 * deleting a volume never reaches what is mounted in it.
 */
export { Volumes, type TrashedVolume, type Volume, type VolumeRequest } from './volumes.ts'
export { run as runVolumeJob } from './jobs.ts'
