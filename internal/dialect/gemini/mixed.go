package gemini

import (
	"bytes"

	"tollgate/internal/jsonedit"
)

// signatureAt is how deep the signature of a part stands: contents[0].parts[0].thoughtSignature; in the request that
// countTokens wraps, one deeper.
const signatureAt = 5

// Mixed reports whether signatures of other vendors' models may be among those of a request. Google refuses a request
// for one that is not its own.
func (*Protocol) Mixed(body *jsonedit.Object) bool {
	return body.MayNameAmong(signatureAt, signatureAt+1, "thoughtSignature", "thought_signature") && bytes.Contains(body.Raw(), []byte(ownMark))
}
