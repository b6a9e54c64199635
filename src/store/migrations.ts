/** Numbered schema changes: entry n brings a database from version n to n+1. Never edit one that has been released. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE images (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE image_refs (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE layers (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE containers (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE networks (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE sandboxes (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE volumes (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE build_cache (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE file_hashes (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE meta (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE builds (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE build_steps (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE failed_steps (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE build_cache_uses (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE manifests (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE layer_sources (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE image_indexes (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  `,
]

export type TableName =
  | 'images'
  | 'image_refs'
  | 'layers'
  | 'containers'
  | 'networks'
  | 'sandboxes'
  | 'volumes'
  | 'build_cache'
  | 'build_cache_uses'
  | 'file_hashes'
  | 'builds'
  | 'build_steps'
  | 'failed_steps'
  | 'manifests'
  | 'layer_sources'
  | 'image_indexes'
  | 'meta'
