import { volumeScenarios } from './scenarios/volumes.ts'

volumeScenarios('gantry')
