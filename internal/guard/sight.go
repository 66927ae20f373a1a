package guard

// NotVisible is said wherever all may seem well: what can keep ICA out and cannot be read from inside the account, nor
// raises an event there. An RCP binds ICA's call for the role's credentials, an SCP does not, as the caller is no principal
// of the organisation
// (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html).
const NotVisible = "not visible from here: an organisation's SCPs and RCPs, session policies and VPC endpoint policies; if ICA " +
	`shows "Not authorized to perform sts:AssumeRoleWithWebIdentity" while role-trust and oidc-provider are in sync, ask for an ` +
	"RCP first"
