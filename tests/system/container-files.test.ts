import { containerFilesScenarios } from './scenarios/container-files.ts'

containerFilesScenarios('gantry')
