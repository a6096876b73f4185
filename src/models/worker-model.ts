import { BaseModel } from "./base-model.js";

/** A row of `workers`: a worker process, alive while `leaseUntil` lies ahead. */
export class WorkerModel extends BaseModel {
  static override tableName = "workers";

  declare id: string;
  declare hostname: string;
  declare pid: number;
  declare groups: string[];
  declare concurrency: number;
  declare sandboxLevel: string;
  declare sandboxReasons: string[];
  declare running: number;
  declare version: string;
  declare startedAt: Date;
  declare lastSeenAt: Date;
  declare leaseUntil: Date;
}
