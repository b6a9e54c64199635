/** Projects for tests of drawings. */
import { projectOf } from '../testing.ts'
import { projectGraph, type ProjectGraph } from './project-graph.ts'

export function graphOf(text: string): ProjectGraph {
  return projectGraph(projectOf(text))
}

export const shop = `
services:
  web:
    build: .
    ports: ["8080:80", "53/udp"]
    depends_on: {db: {condition: service_healthy}, cache: {condition: service_started}}
    networks: [front, back]
    volumes: ["./src:/src:ro"]
    scale: 2
  db: {image: "postgres:15", networks: [back], volumes: ["data:/var/lib"]}
  cache: {image: "redis:7", networks: [back], depends_on: [db]}
  alone: {image: mail, networks: [front]}
networks: {front: {}, back: {internal: true}}
volumes: {data: {}}
`

export const hostile = `
services:
  a:
    image: "x\\"]; <script>&'\\e[31m"
    volumes: ["data:/a|b"]
volumes: {data: {name: '"</svg>'}}
`
