package sqlstore

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/pool"
	"tollgate/internal/secret"
)

// fillWithSecrets stores channels and keys, changes and deletes some, and returns all forms of the
// secrets that must not be found.
func fillWithSecrets(t *testing.T, s *Store) []string {
	t.Helper()
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var plain []string
	upstream := func(p string) secret.Secret {
		plain = append(plain, p)
		return secret.Secret(p)
	}
	first := pool.Channel{ID: "c1", Name: "visible-channel-name", Secret: upstream("sk-upstream-0123456789abcdefghijklmnopqrstuv")}
	check(s.InsertChannel(ctx, first))
	first.Secret = upstream("sk-replaced-0123456789abcdefghijklmnopqrstuv")
	check(s.UpdateChannel(ctx, first))
	check(s.InsertChannel(ctx, pool.Channel{ID: "c2", Secret: upstream("sk-deleted-0123456789abcdefghijklmnopqrstuv")}))
	check(s.DeleteChannel(ctx, "c2"))

	check(s.InsertAccount(ctx, account.Account{ID: account.RootID, Name: "root", Path: ".root."}))
	virtual := secret.NewKey().Reveal()
	plain = append(plain, virtual)
	check(s.InsertKey(ctx, account.Key{ID: "k", AccountID: account.RootID, Hash: secret.HashKey(virtual), Hint: secret.Hint(virtual)}))

	var forms []string
	for _, p := range plain {
		forms = append(forms, p, p[6:], hex.EncodeToString([]byte(p)), base64.RawStdEncoding.EncodeToString([]byte(p)))
	}
	return forms
}

// TestSealedSecretsStayInPlace pins that a sealed secret opens only under its master key and in its row.
func TestSealedSecretsStayInPlace(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			ctx, dsn := t.Context(), e.dsn(t)
			s := openTest(t, dsn, testSealer(t))
			for _, id := range []string{"mine", "theirs"} {
				if err := s.InsertChannel(ctx, pool.Channel{ID: id, Secret: secret.Secret("sk-secret-of-" + id)}); err != nil {
					t.Fatal(err)
				}
			}
			stranger := openTest(t, dsn, testSealer(t))
			_, err := stranger.Channel(ctx, "mine")
			if !errors.Is(err, secret.ErrUnknownMaster) {
				t.Errorf("another master key: %v, want ErrUnknownMaster", err)
			}
			if _, err := stranger.Channels(ctx); !errors.Is(err, secret.ErrUnknownMaster) || !strings.Contains(err.Error(), "master key") {
				t.Errorf("another master key: %v, want it to say so", err)
			}
			_, err = s.write.ExecContext(ctx, `UPDATE channels SET secret = (SELECT secret FROM channels WHERE id = 'theirs') WHERE id = 'mine'`)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Channel(ctx, "mine"); !errors.Is(err, secret.ErrTampered) || strings.Contains(err.Error(), "sk-secret") {
				t.Errorf("a secret copied from another row: %v, want ErrTampered", err)
			}
		})
	}
}
