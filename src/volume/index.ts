/**
 * Directories that outlive containers: named ones, and anonymous ones that go with their container.
 *
 * Lifecycle: create() makes `<root>/<name>/_data` and then the record; populate() fills an empty one from an image;
 * remove() renames the directory out of the way first, then forgets the record, then deletes.
 *
 * Guarantees: after a kill at any point a volume is either whole or gone at the next open(). A directory with content is never
 * deleted because its record is missing: it becomes a volume again. What a container mounts cannot be removed.
 */
export { Volumes, type Volume, type VolumeRequest } from './volumes.ts'
