-- balance: one atomic snapshot of an account's money, lapsed grants booked first.
-- KEYS  as common.lua        Reply {now, account fields, grant fields}
open_account()
turn()
commit()
return {NOW, call('HGETALL', ACCOUNT), call('HGETALL', GRANTS)}
