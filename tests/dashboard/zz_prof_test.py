from tests.dashboard.alerted import *
import time
from spanledger_dashboard.alerts import opened
from spanledger_dashboard.alerts.incidents import load_open
from spanledger_dashboard.alerts.rule_book import load_book
def test_prof(alert_app, alert_state, now_s):
    told = Alerted(alert_state, [rule(warn=5, group_by=["agent"], max_instances=20000)])
    told.say(now_s // 10 * 10 - 60, **{f"a{n}": 5 + n for n in range(10000)})
    kept=opened.alerts(); book=load_book(opened.alert_settings(),{})
    t=time.process_time(); found=load_open(kept,"default",book,now_s*S); print("cpu load_open", len(found), time.process_time()-t)
    page(alert_app,"incidents"); 
    t=time.process_time(); alert_app.run(); print("cpu page", time.process_time()-t)
