//! The fields of a user that a file may have.

/// A field of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The provider's id: the `sub` of the person's tokens.
    Id,
    /// The team that the user joins.
    TeamId,
    /// The email.
    Email,
    /// The username.
    Username,
    /// The full name.
    Name,
    /// The first name.
    FirstName,
    /// The last name.
    LastName,
    /// The name of the user's own choice.
    DisplayName,
    /// The picture's address.
    AvatarUrl,
    /// What the user does for a living.
    JobTitle,
    /// The role in the team.
    Role,
    /// The status.
    Status,
    /// A person's account or a machine's.
    AccountType,
    /// The device for signing.
    DeviceType,
    /// The device's own user id.
    DeviceUserId,
    /// The device's public key.
    PubKey,
    /// The id in a SCIM directory.
    ScimId,
    /// The right of a platform operator, which no import gives.
    IsOperator,
    /// True where an operator of the team sees all of it.
    ViewAll,
    /// Claims by name.
    Claims,
    /// One claim.
    Claim(String),
    /// What the user says of themselves: see [`shared::profile`].
    Profile,
    /// True, or the time, where the email is proven.
    EmailVerified,
    /// The time of the invitation.
    InvitedAt,
    /// The time of the last sign-in.
    LastSignInAt,
    /// True, or the end of it, where the user is locked.
    Banned,
    /// False where the user is locked.
    Enabled,
    /// True, or the time, where the user is deleted.
    Deleted,
    /// The time of the user's making.
    CreatedAt,
    /// The time of the last change.
    UpdatedAt,
}

impl Field {
    /// Returns true if it tells who a user is.
    pub fn is_identity(&self) -> bool {
        matches!(self, Self::Id | Self::Email | Self::Username)
    }

    /// Returns true if it gives no rights and tells nobody from others.
    pub fn is_description(&self) -> bool {
        matches!(
            self,
            Self::Name
                | Self::FirstName
                | Self::LastName
                | Self::DisplayName
                | Self::AvatarUrl
                | Self::JobTitle
        )
    }
}

/// A column, or a field by its path, that is read as a field of a user: `COLUMN=FIELD`.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The column or the path: `work_email`, `app_metadata.plan`.
    pub path: String,
    /// The field.
    pub field: Field,
}
