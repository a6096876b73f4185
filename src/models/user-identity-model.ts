import { BaseModel } from "./base-model.js";

/** Who a person is at an OpenID Connect provider. */
export class UserIdentityModel extends BaseModel {
  static override tableName = "user_identities";

  declare id: string;
  declare userId: string;
  declare issuer: string;
  declare subject: string;
  declare createdAt: Date;
}
