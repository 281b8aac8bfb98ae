package anthropic

import (
	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// signatureAt is how deep the signature of a thinking block stands: messages[0].content[0].signature.
const signatureAt = 5

// Mixed reports whether thoughts of other vendors' models may be among those of a request. Anthropic refuses a request
// for one signature that is not its own.
func (*Protocol) Mixed(body *jsonedit.Object) bool {
	return body.MayName(signatureAt, "signature") && canon.MayHoldWrapped(body.Raw())
}
